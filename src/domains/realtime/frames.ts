/**
 * Ids of frames. Those of a user's own events come from the log, are the same on every connection and instance, and
 * lie this far apart; frames of other kinds get the numbers between, after the last own event that was sent. So ids
 * rise on each connection, and the id of any frame says which own events its client has. At most 2^53 / 2^12 events.
 */
export const STEP = 4096

/** The last own event that a client has which gives this id as its `since`. */
export const eventOf = (frameId: number): number => Math.floor(frameId / STEP)

/** Numbers the frames of one connection. */
export class FrameIds {
  #last: number

  /** @param since the id of the last frame that the client has, should it have said so */
  constructor(position: number, since = 0) {
    this.#last = Math.max(position * STEP, since)
  }

  own(eventId: number): number {
    this.#last = eventId * STEP
    return this.#last
  }

  /** Should a connection ever hear 4095 other frames after one own event, the rest share a number. */
  other(): number {
    this.#last = Math.min(this.#last + 1, eventOf(this.#last) * STEP + STEP - 1)
    return this.#last
  }
}

/** A frame but for its id, so that what goes to many is made into text once. @param data as JSON */
export function frameBody(type: string, data: string, at: Date): string {
  return `{"type":${JSON.stringify(type)},"data":${data},"timestamp":"${at.toISOString()}","id":`
}
