import { type ComputedRef, computed, onUnmounted, ref, watch } from 'vue'
import { type Data, Refused } from '../../../client/index.js'
import { useAct } from '../../app/act.js'
import { explain } from '../../app/errors.js'
import { useReading } from '../../app/reading.js'
import { client } from '../../app/session.js'
import { WHOLE } from './odds.js'

type Rules = Data<'get', '/api/merchant/lottery-config'>
type Tried = Data<'put', '/api/merchant/lottery-config'>
export type RulesPreview = Tried['preview']

/** How long after the last change the service is asked what it would cost. */
const PAUSE_MS = 250

/** The rules of the wheel as they are being changed, with what the service says they would come to. */
export function useWheel() {
  const saved = ref<Rules>()
  /** As edited; the odds stand beside, in ten thousandths. */
  const draft = ref<Rules>()
  const odds = ref<readonly number[]>([])
  const before = ref<RulesPreview>()
  const { isBusy, act } = useAct()

  const wanted = computed(() => {
    if (draft.value === undefined) return undefined
    const prizes = draft.value.prizes.map((prize, at) => ({ ...prize, probability: (odds.value[at] ?? 0) / WHOLE }))
    return { ...draft.value, prizes }
  })
  const isChanged = computed(() => JSON.stringify(wanted.value) !== JSON.stringify(saved.value))
  const { tried, fault } = useDryRun(computed(() => (isChanged.value ? wanted.value : undefined)))

  async function read() {
    const rules = await client.merchant.lotteryConfig()
    const { preview } = await client.merchant.setLotteryConfig({ ...rules, dry_run: true })
    return { rules, preview }
  }
  const reading = useReading(undefined, read, ({ rules, preview }) => {
    saved.value = rules
    before.value = preview
    undo()
  })
  function undo(): void {
    if (saved.value === undefined) return
    draft.value = JSON.parse(JSON.stringify(saved.value)) as Rules
    odds.value = draft.value.prizes.map(({ probability }) => Math.round(probability * WHOLE))
  }

  /** @returns whether it was saved, and what was saved is shown */
  async function save(): Promise<boolean> {
    const rules = wanted.value
    if (rules === undefined) return false
    let isShown = false
    await act(async () => {
      await client.merchant.setLotteryConfig({ ...rules, dry_run: false })
      isShown = await reading.load()
    })
    return isShown
  }
  return { saved, draft, wanted, odds, before, tried, fault, isBusy, isChanged, reading, undo, save }
}

/** Asks what rules would come to, a moment after they changed last; nothing is saved by that. */
function useDryRun(changed: ComputedRef<Rules | undefined>) {
  const tried = ref<Tried>()
  const fault = ref('')
  let timer: ReturnType<typeof setTimeout> | undefined

  async function ask(rules: Rules): Promise<void> {
    const isStill = () => rules === changed.value
    try {
      const answer = await client.merchant.setLotteryConfig({ ...rules, dry_run: true })
      if (!isStill()) return
      tried.value = answer
      fault.value = ''
    } catch (err) {
      if (!isStill()) return
      fault.value = explain(err)
      // Who drags for long meets the limit of requests; that passes.
      const seconds = err instanceof Refused ? err.retryAfterSeconds : undefined
      if (seconds !== undefined) timer = setTimeout(() => void ask(rules), seconds * 1000)
    }
  }
  watch(changed, (rules) => {
    clearTimeout(timer)
    tried.value = undefined
    fault.value = ''
    if (rules !== undefined) timer = setTimeout(() => void ask(rules), PAUSE_MS)
  })
  onUnmounted(() => clearTimeout(timer))
  return { tried, fault }
}
