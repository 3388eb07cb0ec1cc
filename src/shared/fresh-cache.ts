import { LRUCache } from 'lru-cache'

interface Cached<T> {
  readonly value: Promise<T>
  readonly since: number
}

/**
 * Keeps what was read until somebody says that it changed, and for no longer than `maxAgeMs` in case nobody could.
 * Who asks for what is just being read waits for that reading; one that began before a change is not kept after it.
 */
export class FreshCache<T> {
  readonly #entries: LRUCache<string, Cached<T>>

  constructor(
    private readonly maxAgeMs: number,
    maxEntries: number
  ) {
    this.#entries = new LRUCache({ max: maxEntries })
  }

  /** @throws what `read` throws, and then keeps nothing */
  get(key: string, read: () => Promise<T>): Promise<T> {
    const now = performance.now()
    const known = this.#entries.get(key)
    if (known !== undefined && now - known.since < this.maxAgeMs) return known.value
    const value = read()
    const entry = { value, since: now }
    this.#entries.set(key, entry)
    value.catch(() => {
      if (this.#entries.peek(key) === entry) this.#entries.delete(key)
    })
    return value
  }

  /** Everything is to be read anew. */
  clear(): void {
    this.#entries.clear()
  }
}
