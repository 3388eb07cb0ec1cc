import { type Static, type TSchema, Type } from '@sinclair/typebox'

/**
 * A kind of push (contract section 10). Each domain declares its own beside what causes them; `src/registry.ts` joins
 * them for the sockets, the documentation and the client's types.
 */
export interface PushKind<Name extends string = string, Data extends TSchema = TSchema> {
  readonly name: Name
  readonly schema: Data
  /** Of a push about products: which one, so that a client hears of those alone that it subscribed to. */
  productId?(data: Static<Data>): number
}

/** Who a push is for. */
export type Audience = { readonly userId: number } | 'merchants' | 'everyone'

/** What a push of a kind carries. */
export type PushData<Kind extends PushKind> = Static<Kind['schema']>

export function pushKind<const Name extends string, Data extends TSchema>(
  name: Name,
  schema: Data,
  options: { readonly productId?: (data: Static<Data>) => number } = {}
): PushKind<Name, Data> {
  return { name, schema, ...options }
}

/** A message of the house to people; `type` says what it is about, for clients that act on some of them. */
export const SystemNotice = pushKind(
  'system_notice',
  Type.Object({ title: Type.String(), content: Type.String(), type: Type.String() })
)
