import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import sharp from 'sharp'
import type { ObjectStorage } from '../../src/adapters/storage/storage.js'
import type { Diner } from './app.js'

/** A multipart body and its headers, as a client sends them. */
export async function multipart(
  parts: [name: string, value: string | { bytes: Buffer; filename?: string; type?: string }][]
): Promise<{ payload: Buffer; headers: Record<string, string> }> {
  const form = new FormData()
  for (const [name, value] of parts) {
    if (typeof value === 'string') form.append(name, value)
    else {
      const { bytes, filename = 'receipt.jpg', type = 'image/jpeg' } = value
      form.append(name, new Blob([new Uint8Array(bytes)], { type }), filename)
    }
  }
  const encoded = new Response(form)
  return {
    payload: Buffer.from(await encoded.arrayBuffer()),
    headers: { 'content-type': encoded.headers.get('content-type') ?? '' }
  }
}

/** A photograph of noise, so that no two are alike. */
export async function picture(width = 320, height = 480): Promise<Buffer> {
  return sharp({
    create: {
      width,
      height,
      channels: 3,
      background: '#ffffff',
      noise: { type: 'gaussian', mean: 128, sigma: 30 }
    }
  })
    .jpeg()
    .toBuffer()
}

/** A storage that keeps nothing, and whose `put` does as the test says. */
export function storageWith(put: ObjectStorage['put'], changes: Partial<ObjectStorage> = {}): ObjectStorage {
  return {
    put,
    get: async () => undefined,
    remove: async () => {},
    exists: async () => false,
    list: async function* () {},
    url: (key, origin) => `${origin}/files/${key}`,
    check: async () => {},
    ...changes
  }
}

export interface UploadOptions {
  readonly bytes?: Buffer
  readonly amount?: string
  readonly filename?: string
  readonly description?: string
  readonly headers?: Record<string, string>
}

/** Uploads a receipt as a diner. */
export async function upload(
  app: FastifyInstance,
  diner: Diner,
  { bytes, amount = '58.5', filename = 'receipt.jpg', description, headers = {} }: UploadOptions = {}
): Promise<LightMyRequestResponse> {
  const form = await multipart([
    ['amount', amount],
    ...(description === undefined ? [] : [['description', description] as [string, string]]),
    ['photo', { bytes: bytes ?? (await picture()), filename }]
  ])
  return app.inject({
    method: 'POST',
    url: '/api/photo/upload',
    payload: form.payload,
    headers: { authorization: `Bearer ${diner.access}`, ...form.headers, ...headers }
  })
}
