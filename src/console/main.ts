import { createApp } from 'vue'
import App from './App.vue'
import { i18n } from './app/i18n.js'
import { arrived, reloadFor } from './app/reload.js'
import { router } from './app/router.js'
import { begin } from './app/session.js'
import './styles/index.css'

router.onError((_err, { fullPath }) => void reloadFor(router.resolve(fullPath).href))
router.afterEach((_to, _from, failure) => {
  if (failure === undefined) arrived()
})
createApp(App).use(i18n).use(router).mount('#app')
void begin()
