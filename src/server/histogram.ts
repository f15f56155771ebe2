/**
 * A histogram of durations, in a fixed amount of memory.
 *
 * @module
 */

/** Buckets for each doubling of a value: so many parts of it are told apart. */
const PARTS = 128;
const PART_BITS = 7;

/** The longest duration that is told from longer ones, in microseconds: more than half an hour. */
const LONGEST = 0x7fff_ffff;

/** How many buckets there are: the shortest durations have one for each microsecond. */
const BUCKETS = bucketOf(LONGEST) + 1;

/** See the module. Percentiles are at most 1 % too long; the mean and the maximum are exact. */
export class Histogram {
  readonly #buckets = new Float64Array(BUCKETS);
  #count = 0;
  #sum = 0;
  #max = 0;

  /** How many durations were recorded. */
  get count(): number {
    return this.#count;
  }

  /** The average, in milliseconds; 0 if there are none. */
  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  /** The longest, in milliseconds; 0 if there are none. */
  get max(): number {
    return this.#max;
  }

  /** Records a duration, in milliseconds. */
  record(duration: number): void {
    const bucket = bucketOf(Math.min(Math.max(Math.round(duration * 1_000), 0), LONGEST));
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count++;
    this.#sum += duration;
    if (duration > this.#max) this.#max = duration;
  }

  /** The duration that so many percent do not exceed, in milliseconds; 0 if there are none. */
  percentile(percent: number): number {
    let left = Math.ceil(this.#count * percent / 100);
    for (let bucket = 0; left > 0 && bucket < BUCKETS; bucket++) {
      left -= this.#buckets[bucket] ?? 0;
      if (left <= 0) return Math.min(lastOf(bucket) / 1_000, this.#max);
    }
    return this.#max;
  }
}

/** The bucket of a value: its highest bits. */
function bucketOf(value: number): number {
  const shift = Math.max(31 - PART_BITS - Math.clz32(value), 0);
  return shift * PARTS + (value >>> shift);
}

/** The highest value of a bucket. */
function lastOf(bucket: number): number {
  const shift = Math.max((bucket >> PART_BITS) - 1, 0);
  return (bucket - shift * PARTS + 1) * 2 ** shift - 1;
}
