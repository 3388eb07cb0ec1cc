import { Worker } from 'node:worker_threads'

/** A picture as its pixels, upright, four bytes each. */
export interface Pixels {
  readonly width: number
  readonly height: number
  readonly data: Uint8ClampedArray
}

/** What the worker says. */
type Answer = { readonly picture: Pixels } | { readonly fault: string }

/** The kinds of HEIF whose pictures are HEVC, by the brands in the box that a file begins with. */
const HEVC_BRANDS: ReadonlySet<string> = new Set(['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx'])

/** Whether a file is HEIC, as iPhones make them, told by its first bytes. */
export function isHeic(file: Buffer): boolean {
  if (file.length < 16 || file.toString('latin1', 4, 8) !== 'ftyp') return false
  const end = Math.min(file.readUInt32BE(0), file.length, 256)
  for (let at = 8; at + 4 <= end; at += 4) if (HEVC_BRANDS.has(file.toString('latin1', at, at + 4))) return true
  return false
}

/** How long the decoder is kept for the next picture, with the memory that the largest of them needed. */
const KEEP_MS = 10_000
/** After a larger one it is not kept. */
const KEEP_PIXELS = 16_000_000

/**
 * Decodes HEIC by libheif in WebAssembly, in a worker that is started when first needed and let go when there is
 * nothing to do. Measured: twelve megapixels take 1.4 s of one core and 190 MB, forty take 3.3 s and 475 MB; whoever
 * expects many of the latter sets MEMORY_LIMIT_MB by that (docs/OPERATIONS.md).
 */
export class HeicDecoder {
  #worker: Worker | undefined
  #busy: Promise<unknown> = Promise.resolve()
  #idle: NodeJS.Timeout | undefined
  /** Answers whoever waits for the picture that is being decoded. */
  #settle: ((answer: Answer) => void) | undefined

  constructor(private readonly limits: { readonly pixels: number; readonly ms: number }) {}

  /** @throws Error when the file holds no picture that can be decoded, too many pixels, or takes too long */
  decode(file: Buffer): Promise<Pixels> {
    // One after the other: each would hold its own pixels.
    const decoded = this.#busy.then(() => this.#decode(file))
    this.#busy = decoded.catch(() => {})
    return decoded
  }

  async #decode(file: Buffer): Promise<Pixels> {
    clearTimeout(this.#idle)
    const worker = this.#worker ?? this.#start()
    try {
      const answer = await this.#ask(worker, file)
      if ('fault' in answer) throw new Error(answer.fault)
      const { width, height } = answer.picture
      this.#idle = setTimeout(() => this.#end(), width * height > KEEP_PIXELS ? 0 : KEEP_MS)
      this.#idle.unref()
      return answer.picture
    } catch (err) {
      // Whatever state it is in, the next one begins anew.
      this.#end()
      throw err
    }
  }

  #ask(worker: Worker, file: Buffer): Promise<Answer> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#settle?.({ fault: 'took too long' }), this.limits.ms)
      this.#settle = (answer) => {
        clearTimeout(timer)
        this.#settle = undefined
        resolve(answer)
      }
      worker.postMessage({ file, maxPixels: this.limits.pixels })
    })
  }

  #start(): Worker {
    const worker = new Worker(new URL('./heif-worker.mjs', import.meta.url), { stdout: true, stderr: true })
    worker.on('message', (answer: Answer) => this.#settle?.(answer))
    // Without a listener its error would end the process; one that was let go is not heard.
    const fail = (reason: unknown) => {
      if (this.#worker !== worker) return
      this.#worker = undefined
      this.#settle?.({ fault: `the decoder ended: ${reason}` })
    }
    worker.on('error', fail)
    worker.on('exit', fail)
    worker.unref()
    this.#worker = worker
    return worker
  }

  #end(): void {
    clearTimeout(this.#idle)
    void this.#worker?.terminate()
    this.#worker = undefined
  }
}
