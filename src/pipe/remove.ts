/**
 * Lists of those who wait, out of which one may leave.
 *
 * @module
 */

/** Takes an item out of a list, and tells whether it was in there. */
export function remove<T>(list: T[], item: T): boolean {
  const place = list.indexOf(item);
  if (place === -1) return false;
  list.splice(place, 1);
  return true;
}
