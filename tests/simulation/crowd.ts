/**
 * A crowd at the bound on what a server holds: many who need little, some who need much, and
 * holders who take as long as they like. Whoever fits goes on, and nobody is passed for ever.
 *
 * @module
 */

import { Budget } from "../../src/server/budget.ts";
import { remove } from "../../src/pipe/remove.ts";
import { Random } from "./random.ts";

/** Steps of a crowd, and of the contest that follows it. */
const STEPS = 300;

/** What one of the crowd is at. */
interface Member {
  readonly name: string;
  /** Bytes that it waits for. */
  readonly bytes: number;
  /** Bytes that it holds later: a short request is measured when it is there. */
  readonly holds: number;
  era: number;
  giveUp: (() => void) | undefined;
}

/** What should be true of a budget, kept apart from how it goes about it. */
class Crowd {
  violation: string | undefined = undefined;
  readonly holding: Member[] = [];
  readonly waiting: Member[] = [];
  readonly budget: Budget;
  readonly #limit: number;
  #members = 0;
  #first: Member | undefined = undefined;
  /** Bytes that have passed the first of those who wait. */
  #passed = 0;
  /** Those who held something when it had been passed by as much as it needs. */
  #before: Set<Member> | undefined = undefined;

  constructor(limit: number) {
    this.#limit = limit;
    this.budget = new Budget(limit);
  }

  arrive(bytes: number, holds: number): Member {
    const member: Member = {
      name: `${this.#members++} (${bytes} B)`,
      bytes,
      holds,
      era: 0,
      giveUp: undefined,
    };
    this.waiting.push(member);
    this.#noteFirst();
    member.giveUp = this.budget.wait(bytes, () => this.#goOn(member));
    if (member.giveUp === undefined && this.waiting.includes(member)) {
      this.violation ??= `${member.name} neither waits nor goes on`;
    }
    this.check();
    return member;
  }

  end(member: Member): void {
    remove(this.holding, member);
    this.budget.free(member.holds, member.era);
    this.check();
  }

  leave(member: Member): void {
    remove(this.waiting, member);
    this.#noteFirst();
    member.giveUp?.();
    this.check();
  }

  /** Nobody waits who may go on. */
  check(): void {
    for (const member of this.waiting) {
      if (this.#mayGoOn(member)) this.violation ??= `I7: ${member.name} waits, though it fits`;
    }
    if (this.budget.held !== this.#held) {
      this.violation ??= `${this.budget.held} B are held instead of ${this.#held}`;
    }
  }

  get #held(): number {
    return sum(this.holding);
  }

  #need({ bytes }: Member): number {
    return Math.min(bytes, this.#limit / 2);
  }

  #mayGoOn(member: Member): boolean {
    const held = this.#held;
    if (held > 0 && held + this.#need(member) > this.#limit) return false;
    if (this.#first === member || this.#before === undefined) return true;
    return this.#heldSince(this.#before) + member.bytes <= this.#limit / 4;
  }

  #heldSince(before: Set<Member>): number {
    return sum(this.holding.filter((member) => !before.has(member)));
  }

  #goOn(member: Member): void {
    if (!this.#mayGoOn(member)) this.violation ??= `${member.name} goes on, though it may not`;
    const before = this.#before;
    if (before !== undefined && member !== this.#first) {
      const left = sum(this.holding.filter((holder) => before.has(holder)));
      if (left <= this.#limit / 4) {
        this.violation ??= `I9: ${member.name} passes ${this.#first?.name}, whose turn it is`;
      }
    }
    remove(this.waiting, member);
    this.#noteFirst();
    this.holding.push(member);
    this.#passed += member.holds;
    const { waiting: [first] } = this;
    if (first !== undefined && this.#passed >= this.#need(first)) {
      this.#before ??= new Set(this.holding);
    }
    member.era = this.budget.hold(member.holds);
  }

  #noteFirst(): void {
    if (this.#first === this.waiting[0]) return;
    this.#first = this.waiting[0];
    this.#passed = 0;
    this.#before = undefined;
  }
}

function sum(members: readonly Member[]): number {
  return members.reduce((bytes, { holds }) => bytes + holds, 0);
}

/** Says what should not have happened, if anything did. */
export function crowd(seed: number): string | undefined {
  const random = new Random(seed);
  const limit = random.pick([1, 10, 100, 1_000]);
  const world = new Crowd(limit);
  for (let i = 0; i < STEPS && world.violation === undefined; i++) {
    const some = random.weighted({ short: 6, long: 2, huge: 0.2, end: 7, leave: 0.5 });
    const holder = random.some(world.holding);
    const waiter = random.some(world.waiting);
    if (some === "short") world.arrive(0, random.below(limit / 10 + 2));
    else if (some === "long") {
      const bytes = random.between(1, limit);
      world.arrive(bytes, bytes);
    } else if (some === "huge") world.arrive(2 * limit, 2 * limit);
    else if (some === "end" && holder !== undefined) world.end(holder);
    else if (some === "leave" && waiter !== undefined) world.leave(waiter);
  }
  return world.violation ?? siege(random, limit) ?? release(world);
}

/**
 * Whoever needs little comes again and again, as fast as it can, while one waits who needs much, and
 * somebody else holds a quarter for ever.
 */
function siege(random: Random, limit: number): string | undefined {
  const world = new Crowd(limit);
  const quarter = Math.floor(limit / 4);
  world.arrive(0, quarter);
  while (world.waiting.length === 0) world.arrive(0, random.between(1, quarter + 1));
  const before = world.holding.length;
  const long = world.arrive(limit, limit);
  // All who hold something now, and then those who have passed it once.
  const most = before + 2 * limit;
  for (let ended = 0; world.waiting.includes(long); ended++) {
    if (ended > most) return `I9: ${long.name} is passed by ${ended} others, and by more`;
    const [, oldest] = world.holding;
    if (oldest !== undefined) world.end(oldest);
    world.arrive(0, random.between(1, quarter + 1));
  }
  return world.violation;
}

/** In the end everybody goes on, and nothing is held. */
function release(world: Crowd): string | undefined {
  for (let holder = world.holding[0]; holder !== undefined; holder = world.holding[0]) {
    world.end(holder);
  }
  if (world.waiting.length > 0) return "I7: some wait for what nobody holds";
  return world.violation;
}
