import { defineConfig } from 'prisma/config'

/**
 * What the Prisma CLI reads. `DATABASE_URL` is optional here: `prisma generate` needs no database,
 * and `npm run studio` passes the address of the running one.
 */
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  ...(process.env.DATABASE_URL === undefined ? {} : { datasource: { url: process.env.DATABASE_URL } })
})
