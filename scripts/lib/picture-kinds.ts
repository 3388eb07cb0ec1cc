import type { PrismaClient } from '../../src/generated/prisma/client.js'

/** A kind of picture that the service stores, and who refers to it. */
export interface PictureKind {
  /** All objects of the kind are below it. */
  readonly prefix: string
  /** How many objects are looked up together. */
  readonly atATime: number
  /** Whether an object below the prefix is one that the service stored. */
  isOurs(key: string): boolean
  /** Those of the keys that a row refers to. */
  usedAmong(db: PrismaClient, keys: readonly string[]): Promise<ReadonlySet<string>>
}

const USERS_AT_A_TIME = 1000
/** A key as src/adapters/storage/pictures.ts makes it, wherever it stands in an address. */
const KEY = /(?:avatars|products)\/\d{4}\/\d{2}\/[0-9a-f]{32}\.webp/g
/** The same alone, or what a put into a local folder left when the process was killed. */
const STORED = /^(?:avatars|products)\/\d{4}\/\d{2}\/(?:[0-9a-f]{32}\.webp|[0-9a-f-]{36}\.tmp)$/

/**
 * Rows name these by an address, which may be anybody's, and whose host may be one of former times: only a key as we
 * make it is told for sure in it. So whatever else lies below their prefixes is left alone.
 */
const ADDRESSED = {
  // Each lookup reads the addresses of all rows.
  atATime: 50_000,
  isOurs: (key: string) => STORED.test(key),
  usedAmong: addressedAmong
}

export const PICTURE_KINDS: readonly PictureKind[] = [
  { prefix: 'photos/', atATime: 500, isOurs: () => true, usedAmong: receiptsAmong },
  { prefix: 'avatars/', ...ADDRESSED },
  { prefix: 'products/', ...ADDRESSED }
]

async function receiptsAmong(db: PrismaClient, keys: readonly string[]): Promise<ReadonlySet<string>> {
  const among = { in: [...keys] }
  const rows = await db.receipt.findMany({
    where: { OR: [{ imageKey: among }, { thumbnailKey: among }] },
    select: { imageKey: true, thumbnailKey: true }
  })
  return new Set(rows.flatMap(({ imageKey, thumbnailKey }) => [imageKey, thumbnailKey]))
}

/** An avatar may be shown as a product's picture, and the other way round: each is looked for everywhere. */
async function addressedAmong(db: PrismaClient, keys: readonly string[]): Promise<ReadonlySet<string>> {
  const wanted = new Set(keys)
  const used = new Set<string>()
  for await (const address of addresses(db)) {
    for (const key of keysIn(address)) if (wanted.has(key)) used.add(key)
  }
  return used
}

function keysIn(address: string): string[] {
  return address.replace(/%2f/gi, '/').match(KEY) ?? []
}

async function* addresses(db: PrismaClient): AsyncGenerator<string> {
  let last = 0
  for (;;) {
    const users = await db.user.findMany({
      where: { userId: { gt: last }, avatar: { not: '' } },
      orderBy: { userId: 'asc' },
      take: USERS_AT_A_TIME,
      select: { userId: true, avatar: true }
    })
    for (const { avatar } of users) yield avatar
    last = users.at(-1)?.userId ?? 0
    if (last === 0) break
  }
  // Those of orders last: an order copies the picture of its product, which may get another one meanwhile. Compared
  // byte by byte: addresses that differ in a capital letter are two.
  const pictures = [
    await db.$queryRaw<Pictured[]>`SELECT DISTINCT image COLLATE utf8mb4_bin AS image FROM commodity_pool`,
    await db.$queryRaw<Pictured[]>`SELECT DISTINCT image COLLATE utf8mb4_bin AS image FROM exchange_orders`
  ]
  for (const { image } of pictures.flat()) yield image
}

interface Pictured {
  readonly image: string
}
