import type { FastifyRequest } from 'fastify'
import { publicOrigin } from '../../shared/origin.js'
import { refuse } from '../../shared/refusal.js'
import { newKey } from '../images/images.js'

/**
 * Puts a picture into the storage. What it replaces stays, since an order or a client may still show it: once no row
 * does, `npm run storage:sweep` finds it, by a key such as `newKey` makes.
 * @param image WebP
 * @returns its address for this client
 * @throws Refusal STORAGE_UNAVAILABLE, and then nothing is kept
 */
export async function keepImage(request: FastifyRequest, kind: 'avatars' | 'products', image: Buffer): Promise<string> {
  const { storage, config, clock } = request.server
  const key = `${newKey(kind, clock())}.webp`
  try {
    await storage.put(key, image, 'image/webp')
  } catch (err) {
    request.log.error({ err }, 'the storage failed')
    throw refuse('STORAGE_UNAVAILABLE')
  }
  return storage.url(key, publicOrigin(request, config))
}
