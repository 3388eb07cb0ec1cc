/**
 * Remembers what a schema was compiled to, by what is in it. The routes' schemas are constants, most answers that
 * refuse are alike on many routes, and a process may have the service twice, as tests do: each shape is compiled once.
 */
export function compileOnce<Schema, Compiled>(compile: (schema: Schema) => Compiled): (schema: Schema) => Compiled {
  const known = new Map<string, Compiled>()
  return (schema) => {
    const key = JSON.stringify(schema)
    const found = known.get(key) ?? compile(schema)
    known.set(key, found)
    return found
  }
}
