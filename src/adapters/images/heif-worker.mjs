// Decodes HEIC, which the libvips that comes with sharp does not, away from the event loop. See heif.ts.
// It is plain JavaScript so that a worker can run it as it lies here: libheif-js has no ES module for Node.
// @ts-check
import { createRequire } from 'node:module'
import { parentPort } from 'node:worker_threads'

const libheif = createRequire(import.meta.url)('libheif-js/wasm-bundle')
// One for all: it frees the file before when it gets the next.
const decoder = new libheif.HeifDecoder()

/**
 * The picture that a file is for, upright, as RGBA.
 * @param {Uint8Array} file @param {number} maxPixels
 * @returns {Promise<{ width: number, height: number, data: Uint8ClampedArray<ArrayBuffer> }>}
 */
async function decode(file, maxPixels) {
  const images = decoder.decode(file)
  try {
    const image = images.find((/** @type {any} */ one) => one.is_primary()) ?? images[0]
    if (image === undefined) throw new Error('no picture')
    const [width, height] = [image.get_width(), image.get_height()]
    if (!(width * height <= maxPixels)) throw new Error('too many pixels')
    const data = new Uint8ClampedArray(width * height * 4)
    await new Promise((resolve, reject) => {
      image.display({ data, width, height }, (/** @type {unknown} */ shown) => {
        if (shown) resolve(shown)
        else reject(new Error('not to be decoded'))
      })
    })
    return { width, height, data }
  } finally {
    for (const image of images) image.free()
  }
}

parentPort?.on('message', async ({ file, maxPixels }) => {
  try {
    const picture = await decode(file, maxPixels)
    parentPort?.postMessage({ picture }, [picture.data.buffer])
  } catch (err) {
    parentPort?.postMessage({ fault: String(err) })
  }
})
