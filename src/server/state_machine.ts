/**
 * State machines as tables: a step for each state and event, computed once.
 *
 * A machine only decides: it does no I/O and has no clock and no memory of its own. Its owner carries
 * out the commands of each step.
 *
 * @module
 */

/** The next state, and the commands on the way. */
export interface Step<S, C> {
  readonly state: S;
  readonly commands: readonly C[];
}

/** The steps of a machine; undefined where the event cannot happen in that state. */
export type Table<S, E, C> = ReadonlyMap<S, ReadonlyMap<E, Step<S, C>>>;

/** A step to a state, with commands. */
export function to<S, C>(state: S, ...commands: C[]): Step<S, C> {
  return { state, commands };
}

/**
 * The step that there has to be.
 *
 * @throws {Error} If there is none: a bug of ours, which costs one connection (see the wait loop).
 */
export function handled<S extends { readonly name: string }, C>(
  step: Step<S, C> | undefined,
  { name }: S,
  event: string,
): Step<S, C> {
  if (step === undefined) throw new Error(`Cannot handle "${event}" while "${name}"`);
  return step;
}

/** Computes the step for every pair of a state and an event. */
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
