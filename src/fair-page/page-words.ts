/** What the page says besides its findings. */
const ENGLISH_WORDS = {
  title: 'Check a draw',
  intro:
    'This page throws the dice again and holds everything against what was promised before. It needs no ' +
    'connection: save it, and check on any machine.',
  proof: 'The proof, as the mini-program or GET /api/lottery/fairness/draws/{draw_id} gave it',
  open: 'Open a file',
  drop: 'or drop it anywhere',
  more: 'What else you know (optional)',
  commitment: 'The commitment (server_seed_hash) you were shown before the draw',
  key: 'The key of the public log',
  fetch: 'Ask this service for it',
  fetchedKey: 'Asked. Better still, compare it with one you got elsewhere.',
  noKey: 'There is no service here that could be asked.',
  check: 'Check',
  howTitle: 'How this works',
  how:
    'Before you draw, the house commits to a secret seed by its SHA-256. Each roll is made of that seed, ' +
    'your own word and the number of your draw, by HMAC-SHA-256. When the epoch ends the seed is told: ' +
    'whoever has it can throw the dice again, and no other seed fits the commitment. Every draw is a ' +
    'line of a public log that can only grow.',
  own:
    'Only a word that you chose after the commitment was shown proves that the house did not choose its ' +
    'seed against it.',
  rules: 'The wheel it was drawn on',
  prize: 'Prize',
  odds: 'Odds',
  right: 'right',
  wrong: 'wrong',
  insecure: 'this browser checks only on https, on localhost, or from a saved file'
}

export type PageWords = typeof ENGLISH_WORDS

export const PAGE_ENGLISH: PageWords = { ...ENGLISH_WORDS }

export const PAGE_CHINESE: PageWords = {
  title: '验证一次抽奖',
  intro: '本页面重新计算每一次抽奖，并与事先公布的内容逐项核对。无需联网：保存本页后，可在任何设备上验证。',
  proof: '抽奖证明（小程序提供，或来自 GET /api/lottery/fairness/draws/{draw_id}）',
  open: '打开文件',
  drop: '或拖放到页面任意位置',
  more: '其他已知信息（可不填）',
  commitment: '抽奖前向您展示的承诺（server_seed_hash）',
  key: '公开日志的公钥',
  fetch: '向本服务索取',
  fetchedKey: '已取得。若能与其他渠道得到的公钥比对则更好。',
  noKey: '当前没有可询问的服务。',
  check: '验证',
  howTitle: '原理',
  how:
    '抽奖前，商家用 SHA-256 对一个秘密种子作出承诺。每次点数由该种子、您的种子与抽奖序号经 HMAC-SHA-256 ' +
    '计算得出。本轮结束时种子公开，任何人都能重新计算，且没有别的种子能符合原来的承诺。每次抽奖都是公开日志中的一行，日志只能增加，不能改动。',
  own: '只有在看到承诺之后由您自己选定的种子，才能证明商家没有针对它挑选服务器种子。',
  rules: '抽奖所用的转盘',
  prize: '奖品',
  odds: '概率',
  right: '正确',
  wrong: '错误',
  insecure: '浏览器仅允许在 https、localhost 或已保存的文件中验证'
}
