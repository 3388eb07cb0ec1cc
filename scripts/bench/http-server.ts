import { type AppOptions, buildApp } from '../../src/app.js'

// The service alone in its process, so that its processor time can be told from the generator's.
const config = JSON.parse(process.argv[2] ?? '{}') as AppOptions['config']
const app = await buildApp({ config })
const address = await app.listen({ host: '127.0.0.1', port: 0 })
process.once('disconnect', () => void app.close().then(() => process.exit(0)))
process.send?.({ address })
