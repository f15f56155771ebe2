import { assert, assertEquals } from "@std/assert";
import { Histogram } from "../src/server/histogram.ts";

function histogramOf(durations: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const duration of durations) histogram.record(duration);
  return histogram;
}

Deno.test("a histogram without durations has zeros", () => {
  const { count, mean, max } = new Histogram();
  assertEquals([count, mean, max, new Histogram().percentile(50)], [0, 0, 0, 0]);
});

Deno.test("durations below a quarter of a millisecond are told to the microsecond", () => {
  const histogram = histogramOf(Array.from({ length: 200 }, (_, i) => i / 1_000));
  for (const percent of [1, 50, 90, 99]) {
    assertEquals(Math.round(1_000 * histogram.percentile(percent)), 2 * percent - 1);
  }
});

Deno.test("percentiles are never too short, and at most 1 % too long", () => {
  for (let exact = 0.001; exact < 2_000_000; exact *= 1.037) {
    const told = histogramOf([exact, 3_000_000]).percentile(50);
    assert(told >= exact - 0.0006 && told <= exact * 1.01 + 0.0006, `${told} of ${exact}`);
  }
});

Deno.test("the mean and the maximum are exact, and no percentile exceeds the maximum", () => {
  const histogram = histogramOf([1, 2, 6]);
  assertEquals([histogram.count, histogram.mean, histogram.max], [3, 3, 6]);
  assertEquals(histogram.percentile(100), 6);
});

Deno.test("a duration that is longer than any bucket, or negative, is no loss", () => {
  const long = histogramOf([1e9, 1e12]);
  assertEquals([long.count, long.max], [2, 1e12]);
  assert(long.percentile(50) >= 2_000_000);
  assertEquals(histogramOf([-1]).percentile(50), 0);
});
