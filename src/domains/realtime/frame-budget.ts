/** How many frames a client may send: so many at once, and from then on so many a second (contract section 10). */
export class FrameBudget {
  #left: number
  #at: number

  /** @param now in milliseconds, by whatever clock {@link take} is asked by */
  constructor(
    private readonly limits: { readonly framesASecond: number; readonly frameBurst: number },
    now: number
  ) {
    this.#left = limits.frameBurst
    this.#at = now
  }

  /** Takes one frame from the budget. @returns false when nothing is left of it */
  take(now: number): boolean {
    const { framesASecond, frameBurst } = this.limits
    this.#left = Math.min(frameBurst, this.#left + ((now - this.#at) / 1000) * framesASecond)
    this.#at = now
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }
}
