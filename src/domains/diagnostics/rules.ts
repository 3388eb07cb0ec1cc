import { isIP } from 'node:net'
import type { Diagnostics } from './schemas.js'

/** The addresses, as URLs, that a mini-program reaches: the service itself, and where objects are fetched. */
interface Reach {
  readonly service: string
  readonly files: string
}

const host = (url: string) => new URL(url).host

/** The four lists of a mini-program's domains (contract section 9). WeChat takes https and wss alone. */
export function domainsOf({ service, files }: Reach): Diagnostics['domains'] {
  const own = `https://${host(service)}`
  return {
    request: [own],
    socket: [`wss://${host(service)}`],
    uploadFile: [own],
    downloadFile: [...new Set([own, `https://${host(files)}`])]
  }
}

/** Why WeChat would not accept these domains, or would not let requests through. */
export function problemsOf({ service, files }: Reach, https: boolean): string[] {
  const problems: string[] = []
  if (!https) problems.push('本次请求未使用 HTTPS：请配置证书；若在代理之后，请设置 TRUST_PROXY')
  for (const url of new Set([service, files].map((address) => new URL(address).origin))) {
    const { protocol, hostname } = new URL(url)
    if (protocol !== 'https:') problems.push(`${url} 不是 HTTPS 地址`)
    if (isIP(hostname.replace(/^\[|\]$/g, '')) !== 0 || hostname === 'localhost') {
      problems.push(`${hostname} 不是域名：微信不接受 IP 地址或 localhost`)
    }
  }
  return problems
}

/** What WeChat's own error numbers mean, and what helps (contract section 9). */
export function errorsOf(domains: Diagnostics['domains']): Diagnostics['errors'] {
  const [request = '', socket = ''] = [domains.request[0], domains.socket[0]]
  return [
    {
      code: 600001,
      meaning: 'request:fail url not in domain list：请求域名不在合法域名列表中',
      solution: `在小程序后台的 request 合法域名中添加 ${request}`
    },
    {
      code: 600002,
      meaning: 'request:fail：网络错误',
      solution: '检查手机网络、服务器状态和证书；能看到本页说明服务器可以访问'
    },
    {
      code: 600003,
      meaning: 'request:fail timeout：请求超时',
      solution: '检查网络质量，或在 wx.request 中增加 timeout'
    },
    {
      code: 600011,
      meaning: 'connectSocket:fail url not in domain list：WebSocket 域名不在合法域名列表中',
      solution: `在小程序后台的 socket 合法域名中添加 ${socket}`
    },
    {
      code: 600012,
      meaning: 'connectSocket:fail：WebSocket 连接失败',
      solution: '检查 access_token 是否有效、连接数是否已满（见 websocket），以及代理是否转发 Upgrade'
    }
  ]
}
