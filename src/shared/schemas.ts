import { Kind, type Static, type TProperties, type TSchema, Type, TypeRegistry } from '@sinclair/typebox'
import { catalogue, type ErrorName } from './catalogue.js'
import { READING, readTelephone } from './reading.js'
import { type FailureBody, failureBody } from './refusal.js'

export const Id = Type.Integer({ minimum: 1, maximum: 2_147_483_647 })
export const Uuid = Type.String({ format: 'uuid', maxLength: 36 })
export const Points = Type.Integer({ minimum: 0 })
/** Points as a request names them: no more than a column of them holds. */
export const PointsFilter = Type.Integer({ minimum: 0, maximum: 2_147_483_647 })
export const Count = Type.Integer({ minimum: 0 })
/** A fraction to four decimals. */
export const Rate = Type.Number({ minimum: 0, maximum: 1 })
/** The handler returns a Date; the wire has ISO 8601 in UTC. */
export const DateTime = Type.Unsafe<Date>({ type: 'string', format: 'date-time' })
export const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])

// TypeBox's own checks want to know a kind that is not theirs; Ajv reads `enum` by itself.
TypeRegistry.Set<{ enum: readonly string[] }>('StringEnum', (schema, value) => schema.enum.includes(value as string))
export const StringEnum = <const T extends readonly string[]>(values: T, options: object = {}) =>
  Type.Unsafe<T[number]>({ [Kind]: 'StringEnum', type: 'string', enum: [...values], ...options })

/** Of a person or a shop; landlines too. */
export const Telephone = Type.String({ pattern: '^[0-9+() -]{5,20}$', maxLength: 20, [READING]: readTelephone })

/** A business day; both ends of a range belong to it. */
export const Day = Type.String({ format: 'date', pattern: '^20', maxLength: 10, description: 'such as 2026-11-22' })

/** Of a list that can also be had as a file. */
export const ExportFormat = StringEnum(['json', 'csv'], {
  default: 'json',
  description: 'csv: all that fits the filters, as a file; paging is ignored'
})

/** Where the next page starts. Unlike `page`, it neither repeats nor skips a row when others are added. */
const Cursor = Type.String({
  maxLength: 300,
  description: '`next_cursor` of the page before; `page` is then ignored. Rows added meanwhile shift nothing'
})
const NextCursor = Nullable(Type.String({ description: 'for the next page; null on the last' }))

/** `page` or `cursor`, and `limit` of a list, with the names mini-programs use for the latter. */
export const PageQuery = Type.Object({
  page: Type.Integer({ minimum: 1, maximum: 1_000_000, default: 1 }),
  limit: Type.Optional(Type.Integer({ minimum: 1, description: 'default 20; more than 50 is taken as 50' })),
  page_size: Type.Optional(Type.Integer({ minimum: 1, description: 'alias of limit' })),
  pageSize: Type.Optional(Type.Integer({ minimum: 1, description: 'alias of limit' })),
  cursor: Type.Optional(Cursor)
})
export type PageQuery = Static<typeof PageQuery>

const Pagination = Type.Object({ total: Count, page: Count, limit: Count, total_pages: Count })
export type Pagination = Static<typeof Pagination>

/**
 * A page of a list, with what tells of the pages around it.
 * @param list the list by its name, by several where clients know it so
 * @param more what else the answer holds
 */
export function Page<List extends TProperties, More extends TProperties>(list: List, more: More = {} as More) {
  return Type.Object({ ...list, ...more, pagination: Pagination, next_cursor: NextCursor })
}

const DEFAULT_LIMIT = 20
const MAX_LIMIT = 50

/** Which rows a list route is asked for. */
export function pageOf(query: PageQuery): { page: number; limit: number; skip: number } {
  const limit = Math.min(query.limit ?? query.page_size ?? query.pageSize ?? DEFAULT_LIMIT, MAX_LIMIT)
  return { page: query.page, limit, skip: (query.page - 1) * limit }
}

export function pagination({ page, limit }: { page: number; limit: number }, total: number): Pagination {
  return { total, page, limit, total_pages: Math.ceil(total / limit) }
}

/**
 * The envelope of a success (contract section 1).
 * @param example for the documentation; kept as it looks on the wire, where a Date is text
 */
export function ok<T extends TSchema>(data: T, example: Static<T>, msg?: string) {
  const envelope: unknown = JSON.parse(JSON.stringify(success(example, msg)))
  return Type.Object(
    { code: Type.Integer(), msg: Type.String(), data },
    { description: 'Success', examples: [envelope] }
  )
}

/** What a handler returns for {@link ok}. */
export function success<T>(data: T, msg = 'success'): { code: number; msg: string; data: T } {
  return { code: 0, msg, data }
}

export const Failure = Type.Object({
  code: Type.Integer(),
  msg: Type.String(),
  data: Type.Null(),
  error: Type.String(),
  wechat_tip: Type.String(),
  solution: Type.String(),
  details: Type.Optional(Type.Unknown()),
  request_id: Type.String()
})

/** Refusals that any route may answer with. */
const ANYWHERE: readonly ErrorName[] = ['RATE_LIMITED', 'INTERNAL', 'DATABASE_UNAVAILABLE', 'OVERLOADED']

/** The response schemas of the named refusals, grouped by HTTP status, with an example of each. */
export function failures(...names: ErrorName[]): Record<number, TSchema> {
  const byStatus = new Map<number, ErrorName[]>()
  for (const name of new Set([...names, ...ANYWHERE])) {
    const { status } = catalogue[name]
    byStatus.set(status, [...(byStatus.get(status) ?? []), name])
  }
  return Object.fromEntries(
    [...byStatus].map(([status, list]) => [
      status,
      Type.Object(Failure.properties, {
        description: list.map((name) => `**${catalogue[name].code} ${name}**: ${catalogue[name].when}`).join('  \n'),
        examples: list.map(exampleOf)
      })
    ])
  )
}

/** The body of a refusal that nobody made: an error finds out where it was, and routes name a thousand. */
function exampleOf(name: ErrorName): FailureBody {
  return failureBody({ error: name, entry: catalogue[name] }, '0c0ffee0-0000-7000-8000-000000000000')
}

/** What a route that wants a token can answer besides its own refusals. */
export const AUTH_FAILURES = ['TOKEN_MISSING', 'TOKEN_INVALID', 'ACCOUNT_DISABLED'] as const satisfies ErrorName[]

/** What a merchant's route can answer besides its own refusals. */
export const MERCHANT_FAILURES = [...AUTH_FAILURES, 'MERCHANT_REQUIRED'] as const satisfies ErrorName[]

/** What an admin's route can answer besides its own refusals. */
export const ADMIN_FAILURES = ['VALIDATION_FAILED', ...AUTH_FAILURES, 'FORBIDDEN'] as const satisfies ErrorName[]
