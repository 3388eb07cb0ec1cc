import { fairnessSource } from '../../src/domains/lottery/fairness/log-source.js'
import type { PrismaClient } from '../../src/generated/prisma/client.js'
import type { Cipher } from '../../src/shared/cipher.js'
import { emptyCheckpoint, lastCheckpoint, listCheckpoints } from '../../src/transparency/log.js'
import { consistencySpans } from '../../src/transparency/merkle.js'
import type { Signer } from '../../src/transparency/note.js'
import { hashesOf } from '../../src/transparency/tree.js'
import { above, type LogClient } from './log-client.js'
import { Fault } from './print.js'

const CHECKPOINTS_AT_A_TIME = 1000

/** The public log as it is in a database, for whoever has that and need not ask the service. */
export function ownLog(db: PrismaClient, cipher: Cipher, signer: Signer): LogClient {
  const source = fairnessSource(cipher)
  return {
    key: async () => signer.verifierKey,
    checkpoint: async () => ((await lastCheckpoint(db)) ?? emptyCheckpoint(signer, new Date())).note,
    checkpointsAbove: (size) => above(size, (below) => listCheckpoints(db, CHECKPOINTS_AT_A_TIME, below)),
    entries: (start, end) => source.told(db, start, end),
    async consistency(from, to) {
      const hashes = await hashesOf(db, consistencySpans(from, to))
      return hashes.map((hash) => hash.toString('hex'))
    },
    async rules(version) {
      const row = await db.lotteryRuleVersion.findUnique({ where: { version } })
      if (row === null) throw new Fault(`There is no rules version ${version}.`)
      return row.snapshot
    }
  }
}
