import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { Fault } from './print.js'

const Count = Type.Integer({ minimum: 0 })
const Digest = Type.String({ pattern: '^[0-9a-f]{64}$' })

/** What lies beside a backup and says what is in it. It is written last: without it a backup is not whole. */
export const Manifest = Type.Object({
  format: Type.Literal(1),
  /** When it was begun, which is the moment it shows. */
  taken_at: Type.String(),
  file: Type.String(),
  bytes: Count,
  sha256: Digest,
  server: Type.String(),
  migrations: Type.Array(Type.Object({ name: Type.String(), checksum: Type.String() })),
  rows: Type.Record(Type.String(), Count)
})
export type Manifest = Static<typeof Manifest>

/** Where the manifest of a backup lies. */
export const manifestOf = (file: string) => `${file.replace(/\.sql\.gz$/, '')}.json`

/**
 * Reads the manifest of a backup, and the whole of the backup, to see that it is what the manifest says.
 * @throws Fault that says what is wrong
 */
export async function verifyBackup(file: string): Promise<Manifest> {
  const text = await readFile(manifestOf(file), 'utf8').catch(() => {
    throw new Fault(`There is no ${manifestOf(file)} beside the backup: it is not whole, or no backup of ours.`)
  })
  const manifest = parsed(text)
  if (manifest === undefined) throw new Fault(`${manifestOf(file)} is no manifest of a backup.`)
  const found = await stat(file).catch(() => undefined)
  if (found === undefined) throw new Fault(`There is no ${file}.`)
  if (found.size !== manifest.bytes) {
    throw new Fault(`${file} has ${found.size} bytes, but was written with ${manifest.bytes}: it was cut or changed.`)
  }
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
  if (hash.digest('hex') !== manifest.sha256)
    throw new Fault(`${file} was changed since it was written: its SHA-256 differs.`)
  return manifest
}

function parsed(text: string): Manifest | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return Value.Check(Manifest, value) ? value : undefined
  } catch {
    return undefined
  }
}
