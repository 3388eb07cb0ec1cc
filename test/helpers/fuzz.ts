import fc, { type Arbitrary } from 'fast-check'

/** As much of a JSON schema as the document uses. */
export interface Schema {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly maxItems?: number
  readonly format?: string
}

export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[]
  /** By content type. */
  readonly body: Readonly<Record<string, { readonly schema: Schema; readonly example?: unknown }>>
  readonly responses: Readonly<Record<string, { content?: Record<string, { schema: Schema }> }>>
}

/** Who asks. */
export const ROLES = ['nobody', 'stranger', 'diner', 'merchant', 'admin'] as const
export type RoleName = (typeof ROLES)[number]

/** A request as the fuzzer makes it; who asks gets the token of that moment. */
export interface FuzzRequest {
  readonly role: RoleName
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly payload: Buffer | undefined
}

/** Every operation of an OpenAPI document. */
export function operationsOf(document: { paths: Record<string, Record<string, unknown>> }): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, found]) => {
      const {
        parameters = [],
        requestBody,
        responses
      } = found as {
        parameters?: Operation['parameters']
        requestBody?: { content: Operation['body'] }
        responses: Operation['responses']
      }
      const name = method.toUpperCase() as Operation['method']
      return { method: name, path, parameters, body: requestBody?.content ?? {}, responses }
    })
  )
}

const HOSTILE_TEXTS = [
  '',
  ' ',
  'null',
  'undefined',
  'NaN',
  '-1',
  '0',
  '1e309',
  '-Infinity',
  '9007199254740993',
  '0x10',
  '1_000',
  '１２',
  'true',
  '[object Object]',
  '__proto__',
  'constructor',
  "' OR '1'='1",
  '"; DROP TABLE users; --',
  '%00',
  'a\u0000b',
  '\ud800',
  '\u202e\u2066',
  '<script>alert(1)</script>',
  '../../etc/passwd',
  '{{7*7}}',
  '😀'.repeat(300),
  'x'.repeat(5000),
  '2026-02-30',
  '9999-12-31',
  '0000-00-00'
]

const HOSTILE_VALUES: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  0.5,
  1e308,
  -0,
  2 ** 31,
  2 ** 53,
  [],
  {},
  [[]],
  Array(1000).fill(0),
  Array(300).fill({}),
  { toString: null, length: -1 },
  JSON.parse('{"__proto__":{"x":1},"constructor":{"prototype":{}}}'),
  ...HOSTILE_TEXTS
]

/** Texts that fit the patterns that the document has; a schema cannot say how to make one. */
const WORDS = [
  '13812345678',
  '123456',
  '2026-11-22',
  '阿明',
  'https://cdn.example.com/a.png',
  '#FF6B35',
  'K7QXM4PTRW9A',
  '饮品'
]

function validText({ minLength = 0, maxLength = 60, format }: Schema): Arbitrary<string> {
  const length = { minLength, maxLength: Math.min(maxLength, Math.max(minLength, 60)) }
  if (format === 'uuid') return fc.uuid()
  if (format === 'date') return fc.constantFrom('2026-11-22', '2026-01-31', '2027-12-31')
  return fc.oneof(fc.constantFrom(...WORDS), fc.string(length), fc.string({ ...length, unit: 'grapheme' }))
}

/** A value that fits a schema, but perhaps for a pattern; often at the edge of what fits. */
function valid(schema: Schema): Arbitrary<unknown> {
  const { type, anyOf, minimum = 0, maximum = 2 ** 31 - 1 } = schema
  if (anyOf !== undefined) return fc.oneof(...anyOf.map(valid))
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (type === 'integer') {
    const small = fc.integer({ min: Math.max(minimum, -2), max: Math.min(maximum, 12) })
    return fc.oneof(small, fc.constantFrom(minimum, maximum))
  }
  if (type === 'number') return fc.oneof(fc.constantFrom(minimum, maximum, 58.5, 0.01, 0.1), fc.double({ noNaN: true }))
  if (type === 'boolean') return fc.boolean()
  if (type === 'null') return fc.constant(null)
  if (type === 'array') return fc.array(valid(schema.items ?? {}), { maxLength: Math.min(schema.maxItems ?? 4, 8) })
  if (type === 'object')
    return fc.record(mapValues(schema.properties ?? {}, valid), { requiredKeys: [...(schema.required ?? [])] })
  if (type === 'string') return validText(schema)
  return fc.constantFrom(...HOSTILE_VALUES)
}

/** One that just does not, or not at all. */
function hostile(schema: Schema): Arbitrary<unknown> {
  const edges: unknown[] = []
  if (schema.minimum !== undefined) edges.push(schema.minimum - 1, schema.minimum - 0.5)
  if (schema.maximum !== undefined) edges.push(schema.maximum + 1)
  if (schema.maxLength !== undefined) edges.push('x'.repeat(schema.maxLength + 1), '中'.repeat(schema.maxLength))
  if (schema.maxItems !== undefined) edges.push(Array(schema.maxItems + 1).fill({}))
  return fc.oneof(fc.constantFrom(...HOSTILE_VALUES), ...(edges.length === 0 ? [] : [fc.constantFrom(...edges)]))
}

const mixed = (schema: Schema, hostility = 1): Arbitrary<unknown> =>
  fc.oneof({ weight: 4, arbitrary: valid(schema) }, { weight: hostility, arbitrary: hostile(schema) })

function mapValues<T, R>(fields: Readonly<Record<string, T>>, of: (value: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, of(value)]))
}

/** A JSON body: as its example, of fitting fields, of fields that do not fit, or no JSON. */
function jsonBody({ schema, example }: { schema: Schema; example?: unknown }): Arbitrary<Buffer> {
  const fields = schema.properties ?? {}
  const bent = fc
    .tuple(valid(schema), fc.record(mapValues(fields, (field) => fc.option(mixed(field, 3), { nil: undefined }))))
    .map(([base, changes]) => ({
      ...(base as object),
      ...Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
    }))
  const likeExample = fc
    .record(mapValues(fields, (field) => fc.option(mixed(field), { nil: undefined })))
    .map((changes) => ({ ...(example as object), ...Object.fromEntries(Object.entries(changes).slice(0, 1)) }))
  const json = fc.oneof(
    fc.constant(example ?? {}),
    likeExample,
    valid(schema),
    bent,
    fc.constantFrom(...HOSTILE_VALUES)
  )
  const text = json.map((value) => JSON.stringify(value) ?? '')
  const noJson = fc.constantFrom(
    '',
    '{',
    '{"a":1,}',
    '[1e400]',
    '{"a":1e400}',
    '\ufeff{}',
    '{"__proto__":{}}',
    '[[['.repeat(800)
  )
  return fc.oneof({ weight: 9, arbitrary: text }, { weight: 1, arbitrary: noJson }).map((body) => Buffer.from(body))
}

const BOUNDARY = '----fuzz'

/** A form: its fields in some order, files that are pictures or not, whole or cut off. */
function formBody({ schema }: { schema: Schema }, pictures: readonly Buffer[]): Arbitrary<Buffer> {
  const names = [...Object.keys(schema.properties ?? {}), 'other', '__proto__', '']
  const file = fc.oneof(fc.constantFrom(...pictures), fc.uint8Array({ maxLength: 200 }).map(Buffer.from))
  const part = fc.tuple(
    fc.constantFrom(...names),
    fc.oneof(
      file.map((bytes) => ({ bytes, filename: 'a.jpg' as string | undefined })),
      fc.constantFrom('58.5', '0.01', '10000', '10000.01', '-1', '1e309', ...HOSTILE_TEXTS).map((text) => ({
        bytes: Buffer.from(text),
        filename: undefined
      }))
    )
  )
  const fileFirst =
    Object.entries(schema.properties ?? {}).find(([, field]) => field.format === 'binary')?.[0] ?? 'photo'
  const good = fc.tuple(fc.constantFrom(...pictures), fc.constantFrom('58.5', '12')).map(([bytes, amount]) =>
    encodeForm([
      ['amount', { bytes: Buffer.from(amount), filename: undefined }],
      [fileFirst, { bytes, filename: 'a.jpg' }]
    ])
  )
  const any = fc.array(part, { maxLength: 5 }).map(encodeForm)
  const cut = fc
    .tuple(fc.oneof(good, any), fc.double({ min: 0, max: 1, noNaN: true }))
    .map(([form, at]) => form.subarray(0, form.length * at))
  return fc.oneof(good, any, cut)
}

function encodeForm(parts: readonly (readonly [string, { bytes: Buffer; filename: string | undefined }])[]): Buffer {
  const encoded = parts.flatMap(([name, { bytes, filename }]) => [
    Buffer.from(
      `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"` +
        (filename === undefined ? '' : `; filename="${filename}"\r\nContent-Type: image/jpeg`) +
        '\r\n\r\n'
    ),
    bytes,
    Buffer.from('\r\n')
  ])
  return Buffer.concat([...encoded, Buffer.from(`--${BOUNDARY}--\r\n`)])
}

/** Without halves of characters, which no address can hold. */
const wellFormed = (text: string): string => text.replaceAll(/\p{Cs}/gu, '\ufffd')

/** What stands in a path or a query, as text. */
const asText = (value: unknown): string => (typeof value === 'object' ? JSON.stringify(value) : String(value))

/** @param known ids and codes there are, for paths */
export function requestsOf(
  { path, parameters, body }: Operation,
  { known, pictures }: { known: readonly string[]; pictures: readonly Buffer[] }
): Arbitrary<FuzzRequest> {
  const inPath = parameters.filter((parameter) => parameter.in === 'path')
  const pathValues = fc.tuple(
    ...inPath.map(({ schema }) =>
      fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...known) }, { weight: 2, arbitrary: mixed(schema, 2) })
    )
  )
  const url = pathValues.map((values) =>
    inPath.reduce((text, { name }, index) => {
      const value = wellFormed(asText(values[index])).slice(0, 190)
      return text.replace(`{${name}}`, encodeURIComponent(value) || '%20')
    }, path)
  )
  const pairs = parameters
    .filter((parameter) => parameter.in === 'query')
    .map(({ name, schema }) =>
      fc.option(fc.tuple(fc.constant(name), mixed(schema, 2).map(asText)), { nil: undefined, freq: 3 })
    )
  const query = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.tuple(...pairs).map((chosen) => {
        const given = chosen.filter((pair) => pair !== undefined) as unknown as [string, string][]
        return new URLSearchParams(given.map(([name, value]): [string, string] => [name, wellFormed(value)])).toString()
      })
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom('', '%zz', '&&==&', '__proto__=1', 'page[]=1&page=2', `a=${'b'.repeat(3000)}`)
    }
  )
  const types = Object.keys(body)
  const [type] = types
  const described = type === undefined ? undefined : body[type]
  const payload: Arbitrary<Buffer | undefined> =
    type === undefined || described === undefined
      ? fc.constantFrom(undefined, undefined, Buffer.from('{}'), Buffer.from('{'))
      : type === 'multipart/form-data'
        ? formBody(described, pictures)
        : jsonBody(described)
  const usual = type === 'multipart/form-data' ? `${type}; boundary=${BOUNDARY}` : 'application/json'
  const contentType = fc.oneof(
    { weight: 9, arbitrary: fc.constant(usual) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        '',
        'text/plain',
        'application/json; charset=latin1',
        'multipart/form-data',
        'a/b',
        'x'.repeat(300)
      )
    }
  )
  const extras = fc.record(
    {
      'idempotency-key': fc.constantFrom('k1', 'k2', 'x'.repeat(64), 'x'.repeat(65), 'a b', '\u00e9'),
      referer: fc.constant('https://servicewechat.com/wx1/1/page-frame.html'),
      'x-request-id': fc.constantFrom('abc', '*/ DROP', 'x'.repeat(200)),
      'if-none-match': fc.constantFrom('"x"', '*', 'W/"'),
      'x-forwarded-for': fc.constantFrom('1.2.3.4', 'nonsense, ,'),
      'accept-language': fc.constant('x'.repeat(1000))
    },
    { requiredKeys: [] }
  )
  return fc
    .record({
      role: fc.constantFrom(...ROLES, 'diner', 'merchant', 'admin', 'admin'),
      url,
      query,
      payload,
      contentType,
      extras
    })
    .map(({ role, url: target, query: text, payload: bytes, contentType: given, extras: more }) => ({
      role,
      url: text === '' ? target : `${target}?${text}`,
      headers: {
        ...(bytes === undefined || given === '' ? {} : { 'content-type': given }),
        ...Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined))
      } as Record<string, string>,
      payload: bytes
    }))
}
