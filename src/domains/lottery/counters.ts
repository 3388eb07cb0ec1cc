import type { CounterKind } from '../../engine/unit-of-work.js'

export const drawsTotal: CounterKind<'draw_type'> = {
  name: 'lottery_draws_total',
  help: 'Requests to draw that were done',
  labels: ['draw_type']
}

export const resultsTotal: CounterKind<'prize_type' | 'is_pity'> = {
  name: 'lottery_results_total',
  help: 'Single draws',
  labels: ['prize_type', 'is_pity']
}
