import { connect, type Socket } from 'node:net'
import type { ConnectionConfig } from 'mariadb'
import { connectionOptions } from './connection.js'
import type { Host, Hosts } from './hosts.js'

/**
 * Opens the driver's sockets so that they send what is written in one turn together. The driver writes each
 * statement by itself; those that follow one another without waiting then cost one system call, and wake the server
 * once, or again for each 8 KB. A UNIX socket the driver opens itself.
 */
export function gatheringStream(target: Host, hosts: Pick<Hosts, 'track'>): NonNullable<ConnectionConfig['stream']> {
  const { host = 'localhost', port = 3306 } = connectionOptions(target.url)
  return (give) => {
    const socket = connect({ host, port, noDelay: true })
    hosts.track(target, socket)
    give(undefined, gathering(socket))
  }
}

/** With so much to send already, the server may begin. */
const ENOUGH_BYTES = 8192

function gathering(socket: Socket): Socket {
  let corked = false
  const write = socket.write.bind(socket)
  const release = () => {
    if (!corked) return
    corked = false
    socket.uncork()
  }
  const gathered = (...written: Parameters<typeof write>) => {
    if (!corked) {
      corked = true
      socket.cork()
      process.nextTick(release)
    }
    const isFlowing = write(...written)
    if (socket.writableLength >= ENOUGH_BYTES) release()
    return isFlowing
  }
  // On the instance: `connect` puts the class's own `write` back over one that a subclass has.
  return Object.assign(socket, { write: gathered })
}
