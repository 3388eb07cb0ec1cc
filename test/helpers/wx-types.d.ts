// The functions of `wx` alone: the rest of the typings declares a world of its own (console, timers, module) that is
// not the one tests run in. What they lean on from there is declared here.
/// <reference path="../../node_modules/miniprogram-api-typings/types/wx/lib.wx.api.d.ts" />

declare namespace WechatMiniprogram {
  type IAnyObject = Record<string, unknown>
}
