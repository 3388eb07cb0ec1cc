import { Fault } from './lib/print.js'

/** The tasks of this project, each loaded when it is asked for. */
const tasks: Record<string, () => Promise<{ main(args: string[]): Promise<void> }>> = {
  start: () => import('./start.js'),
  cluster: () => import('./cluster.js'),
  demo: () => import('./demo.js'),
  migrate: () => import('./migrate.js'),
  reconcile: () => import('./reconcile.js'),
  'fairness-verify': () => import('./fairness-verify.js'),
  'fairness-audit': () => import('./fairness-audit.js'),
  'compliance-pack': () => import('./compliance-pack.js'),
  'evidence-fill': () => import('./evidence-fill.js'),
  'storage-sweep': () => import('./storage-sweep.js'),
  'admin-create': () => import('./admin-create.js'),
  'storage-bucket': () => import('./storage-bucket.js'),
  'keys-rotate': () => import('./keys-rotate.js'),
  backup: () => import('./backup.js'),
  restore: () => import('./restore.js'),
  studio: () => import('./studio.js'),
  bench: () => import('./bench/index.js'),
  'bench-receipts': () => import('./bench/receipts.js')
}

/** Runs a task in this process: `npm run …` comes here through scripts/run.mjs, the image through task.js. */
export async function runTask(name: string, args: string[]): Promise<void> {
  const load = tasks[name]
  if (load === undefined) throw new Fault(`Unknown task "${name}". There are: ${Object.keys(tasks).join(', ')}.`)
  const { main } = await load()
  await main(args)
}
