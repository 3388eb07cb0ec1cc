/** Work that is done once however many ask for it at a time: whoever asks while it is under way gets that result. */
export class SingleFlight<T> {
  readonly #underWay = new Map<string, Promise<T>>()

  /** @param whenDone gets the result, unless the work was forgotten meanwhile */
  run(key: string, work: () => Promise<T>, whenDone: (result: T) => void = () => {}): Promise<T> {
    const known = this.#underWay.get(key)
    if (known !== undefined) return known
    const started = work()
    this.#underWay.set(key, started)
    const isCurrent = () => this.#underWay.get(key) === started
    started.then(
      (result) => {
        if (!isCurrent()) return
        this.#underWay.delete(key)
        whenDone(result)
      },
      () => {
        if (isCurrent()) this.#underWay.delete(key)
      }
    )
    return started
  }

  /** What is under way began before a change: whoever asks from now on is not to get its result. */
  forget(key: string): void {
    this.#underWay.delete(key)
  }

  forgetAll(): void {
    this.#underWay.clear()
  }
}
