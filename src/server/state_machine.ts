/**
 * State machines as tables: every state times every event, computed once.
 *
 * A machine decides and does nothing: no I/O, no time, no memory. Whoever runs it carries out the
 * commands that come with each step.
 *
 * @module
 */

/** What an event leads to. */
export interface Step<S, C> {
  readonly state: S;
  readonly commands: readonly C[];
}

/** The steps of a machine; undefined where the event cannot happen in that state. */
export type Table<S, E, C> = ReadonlyMap<S, ReadonlyMap<E, Step<S, C>>>;

/** A step to a state, and what is to be done on the way. */
export function to<S, C>(state: S, ...commands: C[]): Step<S, C> {
  return { state, commands };
}

/** Asks a machine about every pair of a state and an event. */
export function tabulate<S, E, C>(
  states: readonly S[],
  events: readonly E[],
  decide: (state: S, event: E) => Step<S, C> | undefined,
): Table<S, E, C> {
  return new Map(states.map((state) => {
    const steps = new Map<E, Step<S, C>>();
    for (const event of events) {
      const step = decide(state, event);
      if (step !== undefined) steps.set(event, step);
    }
    return [state, steps];
  }));
}
