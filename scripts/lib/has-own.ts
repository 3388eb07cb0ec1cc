/** `Object.hasOwn` for phones older than it (iOS before 15.4): the package of hashes asks for that as it is loaded. */
export const hasOwn = (object: object, name: PropertyKey): boolean =>
  Object.getOwnPropertyDescriptor(object, name) !== undefined
