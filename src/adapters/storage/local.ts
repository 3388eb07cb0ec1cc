import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { v4 as uuid } from 'uuid'
import type { ObjectStorage, StoredObject } from './storage.js'

/** Where the service itself answers with stored files. */
export const FILES_PREFIX = '/files/'

interface LocalStorageOptions {
  /** The folder of the files; made when it is missing. */
  readonly dir: string
}

/** Dots only between other characters: no `..`, no hidden name, no empty part, and nothing a URL would escape. */
const KEY = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*(?:\/[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)*$/
const MAX_KEY = 255

/** Whether something may be stored under that key, and so be asked for. */
export function isKey(key: string): boolean {
  return key.length <= MAX_KEY && KEY.test(key)
}

/** @throws TypeError for what is no key: keys are made by us, so it is our mistake */
export function assertKey(key: string): void {
  if (!isKey(key)) throw new TypeError(`${JSON.stringify(key)} is no key of an object`)
}

/** Files in one folder, for development and tests: production has many machines, and this is a disk of one. */
export function createLocalStorage(options: LocalStorageOptions): ObjectStorage {
  const dir = path.resolve(options.dir)

  function fileOf(key: string): string {
    assertKey(key)
    return path.join(dir, key)
  }

  return {
    async put(key, body) {
      const file = fileOf(key)
      await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
      // Under the last name there is the whole file or none. Should the process be killed in between, the rest is
      // an object like any other that no row knows, and goes with the next sweep.
      const temporary = path.join(path.dirname(file), `${uuid()}.tmp`)
      try {
        await writeFile(temporary, body, { flag: 'wx', flush: true })
        await rename(temporary, file)
      } catch (err) {
        await rm(temporary, { force: true }).catch(() => {})
        throw err
      }
    },

    get: (key) => readFile(fileOf(key)).catch(unlessAbsent),

    async remove(key) {
      await rm(fileOf(key), { force: true }).catch(unlessAbsent)
    },

    async exists(key) {
      return (await stat(fileOf(key)).catch(unlessAbsent))?.isFile() ?? false
    },

    async *list(prefix) {
      if (prefix !== '') assertKey(prefix.replace(/\/$/, ''))
      const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1)
      yield* walk(dir, folder, prefix)
    },

    url: (key, origin) => `${origin.replace(/\/$/, '')}${FILES_PREFIX}${key}`,

    async check() {
      await mkdir(dir, { recursive: true, mode: 0o700 })
      const probe = path.join(dir, `${uuid()}.tmp`)
      await writeFile(probe, 'x', { flag: 'wx' }).finally(() => rm(probe, { force: true }))
    }
  }
}

/** The files below a folder (`''` or with a slash at its end) whose key starts with `prefix`. */
async function* walk(dir: string, folder: string, prefix: string): AsyncGenerator<StoredObject> {
  const entries = (await readdir(path.join(dir, folder), { withFileTypes: true }).catch(unlessAbsent)) ?? []
  for (const entry of entries) {
    const key = `${folder}${entry.name}`
    if (!key.startsWith(prefix) || !isKey(key)) continue
    if (entry.isDirectory()) yield* walk(dir, `${key}/`, prefix)
    if (!entry.isFile()) continue
    const found = await stat(path.join(dir, key)).catch(unlessAbsent)
    if (found !== undefined) yield { key, storedAt: found.mtime }
  }
}

/** What is not there, or went while we looked, is no failure. */
function unlessAbsent(err: NodeJS.ErrnoException): undefined {
  if (err.code !== 'ENOENT' && err.code !== 'ENOTDIR') throw err
}
