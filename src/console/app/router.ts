import { Bell, DataAnalysis, Goods, PieChart, Postcard, Setting, Tickets, View } from '@element-plus/icons-vue'
import type { Component } from 'vue'
import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'
import type { WordKey } from '../words/zh.js'

/** A place of the console, as its navigation shows it. */
interface Place {
  readonly path: string
  readonly title: WordKey
  readonly icon: Component
  readonly isForAdmins?: boolean
  readonly page: () => Promise<Component>
}

export const PLACES: readonly Place[] = [
  { path: '/reviews', title: 'nav.reviews', icon: View, page: () => import('../pages/reviews/ReviewsPage.vue') },
  { path: '/appeals', title: 'nav.appeals', icon: Bell, page: () => import('../pages/AppealsPage.vue') },
  { path: '/counter', title: 'nav.counter', icon: Postcard, page: () => import('../pages/CounterPage.vue') },
  { path: '/orders', title: 'nav.orders', icon: Tickets, page: () => import('../pages/OrdersPage.vue') },
  { path: '/products', title: 'nav.products', icon: Goods, page: () => import('../pages/products/ProductsPage.vue') },
  { path: '/wheel', title: 'nav.wheel', icon: PieChart, page: () => import('../pages/wheel/WheelPage.vue') },
  {
    path: '/statistics',
    title: 'nav.statistics',
    icon: DataAnalysis,
    page: () => import('../pages/statistics/StatisticsPage.vue')
  },
  {
    path: '/admin',
    title: 'nav.admin',
    icon: Setting,
    isForAdmins: true,
    page: () => import('../pages/admin/AdminPage.vue')
  }
]

const routes: RouteRecordRaw[] = [
  ...PLACES.map(({ path, page }) => ({ path: path === '/admin' ? '/admin/:part?' : path, component: page })),
  { path: '/:elsewhere(.*)*', redirect: '/reviews' }
]

export const router = createRouter({ history: createWebHistory('/console'), routes })
