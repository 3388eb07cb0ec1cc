import type { PrismaClient } from '../generated/prisma/client.js'
import type { UnitOfWork } from './unit-of-work.js'

/** What a step of a sweep works with. */
export interface SweepContext {
  readonly db: PrismaClient
  /** For a step that wants a transaction. */
  readonly tx: <T>(work: (uow: UnitOfWork) => Promise<T>) => Promise<T>
  readonly now: Date
}

/**
 * Removes or marks what is past its time, in bounded steps. Each domain declares its own beside what it is about;
 * `src/registry.ts` joins them, and sweeper.ts runs them.
 */
export interface Sweep {
  /** For the metrics; the table, mostly. */
  readonly name: string
  /**
   * Does the next step, of {@link SWEEP_ROWS} rows at the most, so that nobody waits for it.
   * @returns how many rows it changed; 0 when nothing is left
   */
  readonly step: (context: SweepContext) => Promise<number>
}

/** How many rows one step of a sweep changes at the most. */
export const SWEEP_ROWS = 1000

/** Does all steps of a sweep. @returns how many rows it changed */
export async function sweepAll(sweep: Sweep, context: SweepContext): Promise<number> {
  let rows = 0
  for (;;) {
    const changed = await sweep.step(context)
    if (changed === 0) return rows
    rows += changed
  }
}
