import { createApp } from 'vue'
import App from './App.vue'
import { i18n } from './app/i18n.js'
import { router } from './app/router.js'
import { begin } from './app/session.js'
import './styles/index.css'

createApp(App).use(i18n).use(router).mount('#app')
void begin()
