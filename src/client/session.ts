/** What a login gives. */
export interface SessionTokens {
  readonly access_token: string
  /** Not there where a cookie has it, as in the console. */
  readonly refresh_token?: string
}

/** Where tokens are kept between two starts. */
export interface TokenStorage {
  readonly read: () => SessionTokens | undefined | Promise<SessionTokens | undefined>
  /** @param tokens undefined: there are none any more */
  readonly write: (tokens: SessionTokens | undefined) => void | Promise<void>
}

/** Keeps them until the page is left. */
export function memoryStorage(): TokenStorage {
  let kept: SessionTokens | undefined
  return {
    read: () => kept,
    write: (tokens) => {
      kept = tokens
    }
  }
}

/** Who is logged in, and how that is kept up: one renewal at a time, however many find the token ended. */
export class Session {
  #renewing: Promise<boolean> | undefined

  /** @param refresh gets the next tokens; undefined where they are refused, and then nobody is logged in any more */
  constructor(
    private readonly storage: TokenStorage,
    private readonly refresh: (tokens: SessionTokens | undefined) => Promise<SessionTokens | undefined>,
    private readonly signedOut: () => void
  ) {}

  async access(): Promise<string | undefined> {
    return (await this.storage.read())?.access_token
  }

  async tokens(): Promise<SessionTokens | undefined> {
    return this.storage.read()
  }

  async keep(tokens: SessionTokens): Promise<void> {
    await this.storage.write(tokens)
  }

  async forget(): Promise<void> {
    await this.storage.write(undefined)
  }

  /**
   * Renews the token that was refused; somebody else may have done it meanwhile.
   * @returns whether there is another one
   */
  async renew(refused: string | undefined): Promise<boolean> {
    const known = await this.access()
    if (known !== undefined && known !== refused) return true
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined
    })
    return this.#renewing
  }

  async #renew(): Promise<boolean> {
    const next = await this.refresh(await this.storage.read())
    await this.storage.write(next)
    if (next === undefined) this.signedOut()
    return next !== undefined
  }
}
