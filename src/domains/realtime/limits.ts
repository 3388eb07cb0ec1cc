export interface HubLimits {
  readonly maxConnections: number
  readonly maxPerUser: number
  readonly pingEveryMs: number
  readonly silenceMs: number
  /** A longer frame closes its socket. */
  readonly maxFrameBytes: number
  readonly maxUnsentBytes: number
  readonly maxBadFrames: number
  /** Frames of a socket, pings and pongs too, once it has used up its burst. */
  readonly framesASecond: number
  readonly frameBurst: number
  /** How often the sessions of open sockets are looked up again; it bounds how long a ban takes (30 s). */
  readonly recheckEveryMs: number
}

/** Contract section 10. */
export const DEFAULT_LIMITS: Omit<HubLimits, 'maxConnections' | 'maxPerUser'> = {
  pingEveryMs: 30_000,
  silenceMs: 60_000,
  maxFrameBytes: 4 * 1024,
  maxUnsentBytes: 1024 * 1024,
  maxBadFrames: 10,
  framesASecond: 20,
  frameBurst: 40,
  recheckEveryMs: 15_000
}

/** Close codes of contract section 10. */
export const CLOSE = {
  shutdown: [1001, 'server is shutting down'],
  misbehaved: [1008, 'bad frames, or too many'],
  slow: [1013, 'too slow: reconnect and resync'],
  unauthorized: [4001, 'token expired or revoked'],
  disabled: [4003, 'account disabled'],
  silent: [4008, 'no sign of life'],
  replaced: [4009, 'replaced by a newer connection']
} as const satisfies Record<string, readonly [number, string]>
export type CloseReason = keyof typeof CLOSE
