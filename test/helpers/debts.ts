import type { FastifyInstance } from 'fastify'
import { checkDebts } from '../../src/domains/receipt/debts.js'

/** Every user whose debt is not what was taken back of receipts and not paid; empty when all is well. */
export const debtFaults = (app: FastifyInstance) => checkDebts(app.db, 1, 2_147_483_647)
