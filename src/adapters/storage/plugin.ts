import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import fastifyStatic from '@fastify/static'
import fp from 'fastify-plugin'
import type { Config } from '../../config.js'
import { refuse } from '../../shared/refusal.js'
import { createLocalStorage, FILES_PREFIX, isKey } from './local.js'
import { createS3Storage, type S3Settings } from './s3.js'
import type { ObjectStorage } from './storage.js'

declare module 'fastify' {
  interface FastifyInstance {
    readonly storage: ObjectStorage
  }
}

export interface StorageOptions {
  /** In place of the one that the settings name. */
  readonly storage?: ObjectStorage
}

type StorageSettings = S3Settings & Pick<Config, 'STORAGE' | 'DATA_DIR'>

const YEAR_MS = 365 * 24 * 60 * 60 * 1000

/** The folder of the local storage. */
function filesDir(config: Pick<Config, 'DATA_DIR'>): string {
  return path.resolve(config.DATA_DIR, 'files')
}

/** The storage that the settings name; not reached for until it is used. */
export async function openStorage(config: StorageSettings): Promise<ObjectStorage> {
  return config.STORAGE === 's3' ? createS3Storage(config) : createLocalStorage({ dir: filesDir(config) })
}

/** `app.storage`, and for a local one the route that hands its files out. */
export default fp<StorageOptions>(
  async (app, options) => {
    const { config } = app
    app.decorate('storage', options.storage ?? (await openStorage(config)))
    if (config.STORAGE !== 'local') return

    const root = filesDir(config)
    await mkdir(root, { recursive: true, mode: 0o700 })
    await app.register(async (files) => {
      // Only what could have been stored is looked for, as it is written: no key needs an escape, so whatever has
      // one, or climbs, or is hidden, is unknown like any other.
      files.addHook('onRequest', async (request) => {
        const [pathname = ''] = request.url.split('?')
        if (!isKey(pathname.slice(FILES_PREFIX.length))) throw refuse('NOT_FOUND')
      })
      await files.register(fastifyStatic, {
        root,
        prefix: FILES_PREFIX,
        maxAge: YEAR_MS,
        immutable: true,
        index: false,
        dotfiles: 'deny',
        // A photograph is fetched whole.
        acceptRanges: false,
        decorateReply: false,
        schemaHide: true,
        setHeaders: (reply) => {
          reply.header('x-content-type-options', 'nosniff')
        }
      })
    })
  },
  { name: 'storage', dependencies: ['errors'] }
)
