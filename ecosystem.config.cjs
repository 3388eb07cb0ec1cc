// For PM2, which insists on this name at the top: `pm2 start ecosystem.config.cjs`, and `pm2 reload lottery` for a new
// version. Settings come from .env beside this file. Several processes need REDIS_URL: what one of them publishes, the
// sockets of the others would not hear.
const cpus = require('node:os').availableParallelism()

/** @type {{ apps: import('pm2').StartOptions[] }} */
module.exports = {
  apps: [
    {
      name: 'lottery',
      script: 'dist/src/server.js',
      cwd: __dirname,
      exec_mode: 'cluster',
      // Two at least, so that a reload leaves one at work.
      instances: Math.max(2, cpus),
      node_args: ['--env-file=.env', '--enable-source-maps'],
      env: { NODE_ENV: 'production' },
      max_memory_restart: '500M',
      // A process counts from when it listens, which it says itself.
      wait_ready: true,
      listen_timeout: 30_000,
      // SIGINT first; what is under way has ten seconds (src/serve.ts).
      kill_timeout: 12_000,
      exp_backoff_restart_delay: 200,
      merge_logs: true
    }
  ]
}
