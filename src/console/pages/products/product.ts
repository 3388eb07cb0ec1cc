import type { Data } from '../../../client/index.js'

export type ShelfProduct = Data<'get', '/api/merchant/products'>['products'][number]
