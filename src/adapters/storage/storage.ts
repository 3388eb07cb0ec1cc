/** Where photographs lie. Keys are paths such as `photos/2026/11/….jpg`, made by us and unguessable. */
export interface ObjectStorage {
  /** Stores bytes under a key. @throws Error when they were not stored */
  put(key: string, body: Buffer, contentType: string): Promise<void>
  /** What lies under a key; undefined where nothing does. @throws Error when the storage failed */
  get(key: string): Promise<Buffer | undefined>
  /** Removes what lies under a key; nothing lying there is no error. @throws Error when the storage failed */
  remove(key: string): Promise<void>
  /** Whether something lies under a key. @throws Error when the storage failed */
  exists(key: string): Promise<boolean>
  /** Every key there is below a prefix, with the time it was stored. */
  list(prefix: string): AsyncIterable<StoredObject>
  /**
   * Where a client fetches it: absolute.
   * @param origin of the service as the client reached it, such as `https://api.example.com`
   */
  url(key: string, origin: string): string
  /** @throws Error when the storage cannot be used */
  check(): Promise<void>
}

export interface StoredObject {
  readonly key: string
  readonly storedAt: Date
}
