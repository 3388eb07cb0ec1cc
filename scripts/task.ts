// For the image, where there is no npm task: `node dist/scripts/task.js migrate`.
import { runTask } from './cli.js'
import { guarded } from './lib/print.js'

await guarded(async () => {
  const [name = '', ...args] = process.argv.slice(2)
  await runTask(name, args)
  return process.exitCode === undefined ? 0 : Number(process.exitCode)
})
