/**
 * Removing one item from a list.
 *
 * @module
 */

/** Removes an item, and returns whether the list had it. */
export function remove<T>(list: T[], item: T): boolean {
  const index = list.indexOf(item);
  if (index === -1) return false;
  list.splice(index, 1);
  return true;
}
