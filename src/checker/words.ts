import type { Finding } from './proof.js'

type Check = Finding['check']
type Verdict = Finding['verdict']

/** What the page and the command line say of a proof, in one language. */
export interface Words {
  readonly right: string
  readonly wrong: string
  readonly open: string
  say(check: Check, verdict: Verdict, params: Finding['params']): string
}

type Sentences = Readonly<Record<Check, Readonly<Record<Verdict, string>>>>

const ENGLISH_SENTENCES: Sentences = {
  format: { right: 'The proof of draw {draw}', wrong: 'This cannot be checked: {why}', open: '' },
  rules: {
    right: 'Rules version {version} is the one whose hash was published',
    wrong: 'The rules are not those whose hash was published as version {version}',
    open: ''
  },
  commitment: {
    right: 'The server seed is the one that was committed to before: {told}',
    wrong: 'The server seed is not the one that was committed to: {told} {shown}',
    open: 'The server seed is not told before its epoch ends; it is committed to as {told}'
  },
  nonce: {
    right: 'Result {number}: its number {nonce} is the next',
    wrong: 'Result {number}: {nonce} is not its number',
    open: ''
  },
  roll: {
    right: 'Result {number}: thrown again, the dice show {roll}',
    wrong: 'Result {number}: thrown again, the dice show {thrown}, where {roll} was told',
    open: 'Result {number}: {roll} can be thrown again once the seed is told'
  },
  pity: {
    right: 'Result {number}: {counted} draws since the guaranteed prize',
    wrong: 'Result {number}: {told} draws since the guaranteed prize were told, where {counted} is right',
    open: ''
  },
  forced: {
    right: 'Result {number}: the guarantee, due after {limit}, was kept',
    wrong: 'Result {number}: the guarantee, due after {limit}, was not kept: {before} came before',
    open: ''
  },
  prize: {
    right: 'Result {number}: {prize} is what the rules give',
    wrong: 'Result {number}: {prize} was told, where the rules give {right}',
    open: ''
  },
  leaf: {
    right: 'The line of the log says what the proof says',
    wrong: 'The line of the log says something else',
    open: ''
  },
  signature: {
    right: 'The log “{origin}” signed itself at {size} entries',
    wrong: 'The checkpoint at {size} entries was not signed by the log',
    open: 'Whether the log signed this can be checked with its key'
  },
  inclusion: {
    right: 'The draw is entry {index} of the public log',
    wrong: 'The draw is not entry {index} of the public log',
    open: 'The draw is not in the public log yet; it will be within seconds'
  }
}

const CHINESE_SENTENCES: Sentences = {
  format: { right: '抽奖 {draw} 的证明', wrong: '无法验证：{why}', open: '' },
  rules: {
    right: '规则第 {version} 版与公布的哈希一致',
    wrong: '规则内容与第 {version} 版公布的哈希不一致',
    open: ''
  },
  commitment: {
    right: '服务器种子与事先的承诺一致：{told}',
    wrong: '服务器种子与事先的承诺不一致：{told} {shown}',
    open: '本轮结束前不公开服务器种子，其承诺为 {told}'
  },
  nonce: { right: '第 {number} 个结果：序号 {nonce} 连续', wrong: '第 {number} 个结果：序号 {nonce} 不对', open: '' },
  roll: {
    right: '第 {number} 个结果：重新计算得点数 {roll}，一致',
    wrong: '第 {number} 个结果：重新计算得点数 {thrown}，而证明上写的是 {roll}',
    open: '第 {number} 个结果：点数 {roll} 待种子公开后可重新计算'
  },
  pity: {
    right: '第 {number} 个结果：距上次保底奖品 {counted} 次，一致',
    wrong: '第 {number} 个结果：保底计数写的是 {told}，应为 {counted}',
    open: ''
  },
  forced: {
    right: '第 {number} 个结果：保底（第 {limit} 次必得）按规则执行',
    wrong: '第 {number} 个结果：保底（第 {limit} 次必得）未按规则执行，此前已有 {before} 次',
    open: ''
  },
  prize: {
    right: '第 {number} 个结果：奖品“{prize}”符合规则',
    wrong: '第 {number} 个结果：写的是“{prize}”，按规则应为“{right}”',
    open: ''
  },
  leaf: { right: '公开日志中的记录与证明一致', wrong: '公开日志中的记录与证明不一致', open: '' },
  signature: {
    right: '日志“{origin}”在第 {size} 条时的签名有效',
    wrong: '第 {size} 条时的检查点不是由该日志签名的',
    open: '取得日志公钥后可验证签名'
  },
  inclusion: {
    right: '本次抽奖是公开日志的第 {index} 条',
    wrong: '本次抽奖并不是公开日志的第 {index} 条',
    open: '本次抽奖尚未载入公开日志，数秒内即会载入'
  }
}

const sayer = (sentences: Sentences) => (check: Check, verdict: Verdict, params: Finding['params']) =>
  sentences[check][verdict].replace(/\{(\w+)\}/g, (_, name: string) => String(params[name] ?? '')).trim()

export const ENGLISH: Words = {
  right: 'Everything agrees.',
  wrong: 'This proof does not hold.',
  open: 'All that can be checked now agrees.',
  say: sayer(ENGLISH_SENTENCES)
}

export const CHINESE: Words = {
  right: '全部一致。',
  wrong: '此证明不成立。',
  open: '目前可验证的部分全部一致。',
  say: sayer(CHINESE_SENTENCES)
}
