import { pushWrites } from './push-log.js'
import { totalsWrites } from './totals.js'
import { type RawTx, writeAll } from './tx.js'
import type { UnitOfWork } from './unit-of-work.js'

/** Writes what a unit of work has only collected: all of it but its COMMIT. */
export async function finishWork<T extends RawTx>(uow: UnitOfWork<T>): Promise<void> {
  uow.pushNumbers.touch()
  await writeAll(uow.tx, [...pushWrites(uow), ...totalsWrites(uow)])
}
