import type { TSchema } from '@sinclair/typebox'
import { isNothing, READING, type TextReading } from '../shared/reading.js'

/** A fault as Ajv would tell it. */
interface Fault {
  readonly instancePath: string
  readonly keyword: string
  readonly params: Readonly<Record<string, unknown>>
  readonly message: string
}

/** Changes a part of a request in place to what it means. */
type Reader = (part: unknown, path: string) => Fault | undefined

type Part = 'body' | 'querystring' | 'params' | 'headers'
type Fields = Record<string, unknown>

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Makes, from the schema of a part of a request, what reads it before it is judged (contract section 2): what clients
 * write for nothing is left out, a text is read as its schema says ({@link READING}), a number that is past a double
 * stays none. And a list that is too long is a fault by itself, so that nobody looks at its items.
 */
export function readerOf(schema: TSchema, part: Part): (value: unknown) => Fault | undefined {
  const read = compile(schema, part)
  return (value) => read?.(value, '')
}

function compile(schema: TSchema, part: Part): Reader | undefined {
  if (schema.type === 'object' && schema.properties !== undefined) return objectReader(schema, part)
  if (schema.type === 'array') return listReader(schema, part)
  return undefined
}

function objectReader(schema: TSchema, part: Part): Reader {
  const required: readonly string[] = schema.required ?? []
  const fields = Object.entries(schema.properties as Record<string, TSchema>).map(([name, field]) => {
    const isOptional = 'default' in field || !required.includes(name)
    return {
      name,
      isNothing: nothingIn(part, field, isOptional),
      most: field.maxItems ?? Number.POSITIVE_INFINITY,
      text: textReader(field, part),
      read: compile(field, part)
    }
  })
  return (value, path) => {
    if (!isFields(value)) return undefined
    for (const { name, isNothing, most, text, read } of fields) {
      if (!Object.hasOwn(value, name)) continue
      const given = withoutNothing(value[name], isNothing, most)
      if (given === undefined) {
        delete value[name]
        continue
      }
      value[name] = typeof given === 'string' && text !== undefined ? text(given) : given
      const fault = read?.(given, `${path}/${name}`)
      if (fault !== undefined) return fault
    }
    return undefined
  }
}

function listReader({ maxItems = Number.POSITIVE_INFINITY, items }: TSchema, part: Part): Reader {
  const read = items === undefined ? undefined : compile(items as TSchema, part)
  return (value, path) => {
    if (!Array.isArray(value)) return undefined
    if (value.length > maxItems) {
      const message = `must NOT have more than ${maxItems} items`
      return { instancePath: path, keyword: 'maxItems', params: { limit: maxItems }, message }
    }
    if (read === undefined) return undefined
    for (const [index, item] of value.entries()) {
      const fault = read(item, `${path}/${index}`)
      if (fault !== undefined) return fault
    }
    return undefined
  }
}

/** What stands for nothing in a field: in a query some words, always; in a body null, where it may be left out. */
function nothingIn(part: Part, field: TSchema, isOptional: boolean): (value: unknown) => boolean {
  if (part === 'querystring') return isNothing
  const nullIsNothing = part === 'body' && isOptional && !admitsNull(field)
  return (value) => nullIsNothing && value === null
}

/** A value, or what is left of it: a query may say the same field twice. Too long a list is left to be refused. */
function withoutNothing(value: unknown, isNothing: (value: unknown) => boolean, most: number): unknown {
  if (!Array.isArray(value)) return isNothing(value) ? undefined : value
  if (value.length > most) return value
  const rest = value.filter((item) => !isNothing(item))
  if (rest.length === value.length) return value
  return rest.length === 0 ? undefined : rest
}

function admitsNull({ type, anyOf }: TSchema): boolean {
  return type === 'null' || type === undefined ? anyOf === undefined || anyOf.some(admitsNull) : false
}

function textReader(field: TSchema, part: Part): ((text: string) => unknown) | undefined {
  const reading = (field as { [READING]?: TextReading })[READING]
  if (reading !== undefined) return reading
  // Coercion would take 1e309 for a number, which fits no column; as Infinity it is none to the validation.
  const isNumber = field.type === 'integer' || field.type === 'number'
  return part !== 'body' && isNumber ? (text) => (Math.abs(Number(text)) === Infinity ? Number(text) : text) : undefined
}

/** What a character may take in JSON, at worst: as two escapes. */
const CHARACTER_BYTES = 12
/** A number, a flag, or a word of a few, with what stands around it. */
const SCALAR_BYTES = 64
/** What a list or a text is given where its schema sets no end. */
const UNBOUNDED_BYTES = 4096

/** How many bytes of JSON the largest value that fits a schema may need. */
export function jsonBytes({ type, properties, items, maxItems, maxLength, anyOf }: TSchema): number {
  if (anyOf !== undefined) return Math.max(...(anyOf as TSchema[]).map(jsonBytes))
  if (type === 'string') return SCALAR_BYTES + (maxLength ?? UNBOUNDED_BYTES / CHARACTER_BYTES) * CHARACTER_BYTES
  if (type === 'array' && maxItems !== undefined) return SCALAR_BYTES + maxItems * jsonBytes(items)
  if (type !== 'object' || properties === undefined) return type === undefined ? UNBOUNDED_BYTES : SCALAR_BYTES
  const fields = Object.entries(properties as Record<string, TSchema>)
  return fields.reduce((sum, [name, field]) => sum + name.length + SCALAR_BYTES + jsonBytes(field), SCALAR_BYTES)
}
