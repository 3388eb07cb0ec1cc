import type { Prisma } from '../generated/prisma/client.js'

/** Bound to an open transaction. The root client has `$connect`, so the compiler refuses it here. */
export type Tx = Prisma.TransactionClient & { readonly $connect?: never }

/** For reads, which are welcome inside a transaction and outside one. */
export type Db = Prisma.TransactionClient
