import { writeClientSource } from './lib/client-source.js'

// For scripts/run.mjs, which bundles and runs it ahead of the compiler: the sources that this writes are compiled too.
await writeClientSource('src/client/generated')
process.exit(0)
