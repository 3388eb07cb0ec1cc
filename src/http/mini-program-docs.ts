import { FIELD_ALIASES, type FieldAliases, PATH_ALIASES, type PathAlias } from './mini-program-tables.js'

/** The parts of an OpenAPI document that aliases show in. */
interface Schema {
  properties?: Record<string, Schema & { description?: string; deprecated?: boolean }>
  required?: string[]
  type?: string
  items?: Schema
}
interface Media {
  schema?: Schema
  example?: unknown
  examples?: Record<string, { value: unknown }>
}
interface Operation {
  description?: string
  deprecated?: boolean
  requestBody?: { content: Record<string, Media> }
  responses?: Record<string, { content?: Record<string, Media> }>
}
type Paths = Record<string, Record<string, Operation>>

/**
 * Adds the aliases to the OpenAPI document, each marked as deprecated: paths beside the routes that they mean, fields
 * beside the fields.
 */
export function describeAliases<T extends object>(document: T): T {
  const { paths = {} }: { paths?: Paths } = document
  for (const [route, aliases] of Object.entries(FIELD_ALIASES)) {
    const [method = '', url = ''] = route.split(' ')
    const operation = paths[url.replace(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()]
    for (const { schema } of Object.values(operation?.requestBody?.content ?? {})) describeFields(schema, aliases)
  }
  for (const alias of PATH_ALIASES) {
    const operation = paths[alias.of]?.[alias.method.toLowerCase()]
    if (operation === undefined) continue
    paths[alias.path] = { ...paths[alias.path], [alias.method.toLowerCase()]: describePath(operation, alias) }
  }
  return document
}

function describeFields(schema: Schema | undefined, { names = {}, spread, tokenField }: FieldAliases): void {
  const fields = schema?.properties
  if (fields === undefined) return
  for (const [other, name] of Object.entries(names)) {
    fields[other] = { ...fields[name], description: `alias of ${name}`, deprecated: true }
  }
  if (spread !== undefined) {
    const description = `in place of ${spread.list}, with ${spread.common.join(', ')} beside it; approves nothing`
    fields[spread.from] = { type: 'array', items: { type: 'string' }, description, deprecated: true }
    for (const name of spread.common)
      fields[name] = { type: 'string', description: `with ${spread.from}`, deprecated: true }
  }
  if (tokenField !== undefined) {
    const description = 'access token, where there is no Authorization header; ahead of the file'
    fields[tokenField] = { type: 'string', description, deprecated: true }
  }
}

function describePath(operation: Operation, { method, of, also = {} }: PathAlias): Operation {
  const copy = structuredClone(operation)
  const described = [`Alias of \`${method} ${of}\`.`, copy.description ?? ''].join('\n\n').trim()
  for (const media of Object.values(copy.responses?.['200']?.content ?? {})) {
    const { properties = {}, required } = media.schema?.properties?.data ?? {}
    const examples = [media.example, ...Object.values(media.examples ?? {}).map(({ value }) => value)]
    for (const [other, name] of Object.entries(also)) {
      properties[other] = { ...properties[name], description: `the same as ${name}`, deprecated: true }
      required?.push(other)
      for (const example of examples) {
        const { data } = (example ?? {}) as { data?: Record<string, unknown> }
        if (data !== undefined) data[other] = data[name]
      }
    }
  }
  return { ...copy, deprecated: true, description: described }
}
