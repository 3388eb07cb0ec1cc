/** One way to refuse a request, as clients, tests and the documentation see it. */
export interface RefusalKind {
  readonly status: number
  readonly code: number
  /** For the diner. */
  readonly msg: string
  /** Short hint for the mini-program (contract section 1). */
  readonly tip: string
  /** What helps (contract section 1). */
  readonly solution: string
  /** For the documentation: when it comes. */
  readonly when: string
}

/**
 * Every refusal there is (contract section 1): the symbolic name is unique, numbers may repeat between modules.
 * The error handler, the OpenAPI document and a test that provokes each one are all driven by this table.
 */
export const catalogue = {
  MOBILE_INVALID: {
    status: 400,
    code: 1001,
    msg: '手机号格式不正确',
    tip: '请检查手机号',
    solution: '请输入11位中国大陆手机号',
    when: 'the mobile does not match ^1[3-9]\\d{9}$'
  },
  CODE_INVALID: {
    status: 400,
    code: 1002,
    msg: '验证码错误或已过期',
    tip: '验证码不对',
    solution: '请核对验证码，或重新获取',
    when: 'the verification code is wrong, used, expired, or was tried five times'
  },
  VALIDATION_FAILED: {
    status: 400,
    code: 1003,
    msg: '请求参数不正确',
    tip: '提交的内容有误',
    solution: '请按 details 中的提示修改后重试',
    when: 'the request does not fit its schema; details: [{field, message}]'
  },
  BODY_MALFORMED: {
    status: 400,
    code: 1003,
    msg: '请求内容无法解析',
    tip: '请求格式有误',
    solution: '请提交合法的 JSON',
    when: 'the body is no JSON'
  },
  BODY_TOO_LARGE: {
    status: 413,
    code: 1003,
    msg: '请求内容过大',
    tip: '提交的内容太大了',
    solution: '请减小提交内容',
    when: 'the body is over the limit'
  },
  MEDIA_TYPE_UNSUPPORTED: {
    status: 415,
    code: 1003,
    msg: '不支持的内容类型',
    tip: '请求格式有误',
    solution: '请使用 application/json',
    when: 'the Content-Type is none this route reads'
  },
  WECHAT_CODE_INVALID: {
    status: 400,
    code: 1004,
    msg: '微信登录凭证无效或已过期',
    tip: '微信登录失败',
    solution: '请重新发起微信登录',
    when: 'WeChat refuses the login code or the phone code: wrong, used or expired'
  },
  TOKEN_MISSING: {
    status: 401,
    code: 2001,
    msg: 'Token不能为空',
    tip: '请先登录',
    solution: '请登录后重试',
    when: 'no token was sent'
  },
  TOKEN_INVALID: {
    status: 401,
    code: 2002,
    msg: 'Token无效或已过期',
    tip: '登录已失效',
    solution: '请刷新令牌或重新登录',
    when: 'the token is expired, revoked, of the wrong kind, or not ours'
  },
  FORBIDDEN: {
    status: 403,
    code: 2003,
    msg: '权限不足',
    tip: '没有权限进行此操作',
    solution: '请使用有权限的账号',
    when: 'the account may not do this'
  },
  ACCOUNT_DISABLED: {
    status: 403,
    code: 2004,
    msg: '账号已被停用',
    tip: '账号不可用',
    solution: '请联系商家',
    when: 'the account is inactive or banned'
  },
  ADMIN_LOGIN_FAILED: {
    status: 401,
    code: 2005,
    msg: '用户名或密码错误',
    tip: '登录失败',
    solution: '请核对用户名和密码',
    when: 'the name or the password is wrong'
  },
  ADMIN_LOCKED: {
    status: 403,
    code: 2006,
    msg: '登录失败次数过多，账号已锁定',
    tip: '账号暂时锁定',
    solution: '请稍后再试',
    when: 'three failures within 30 minutes; details: {locked_until}'
  },
  LOTTERY_NOT_READY: {
    status: 409,
    code: 3001,
    msg: '抽奖配置未就绪',
    tip: '抽奖暂不可用',
    solution: '请稍后再来',
    when: 'there are not exactly eight active prizes whose odds are above 0 and sum to 1'
  },
  POINTS_INSUFFICIENT: {
    status: 409,
    code: 3002,
    msg: '积分余额不足',
    tip: '积分不够啦',
    solution: '上传消费小票可获得积分',
    when: 'the balance is too low; details: {required, current, shortage}'
  },
  DRAW_LIMIT_REACHED: {
    status: 409,
    code: 3003,
    msg: '今日抽奖次数已达上限',
    tip: '今天的次数用完了',
    solution: '请明天再来',
    when: "the day's draws would pass the limit; details: {limit, used}"
  },
  STOCK_INSUFFICIENT: {
    status: 409,
    code: 3004,
    msg: '商品库存不足',
    tip: '库存不够啦',
    solution: '请减少数量，或选择其他商品',
    when: 'the stock does not cover it; details: {available_stock, requested_quantity}'
  },
  PRODUCT_UNAVAILABLE: {
    status: 409,
    code: 3005,
    msg: '商品已下架',
    tip: '商品已下架',
    solution: '请选择其他商品',
    when: 'the product is off the shelf'
  },
  IDEMPOTENCY_CONFLICT: {
    status: 409,
    code: 3007,
    msg: '重复的请求标识',
    tip: '请求重复',
    solution: '请为新的请求使用新的 Idempotency-Key',
    when: 'the Idempotency-Key was used for another request'
  },
  PRICE_CHANGED: {
    status: 409,
    code: 3008,
    msg: '抽奖所需积分已变更',
    tip: '价格有变化',
    solution: '请刷新页面后重试',
    when: 'costPoints is no longer the price; details: {cost_points}'
  },
  VOUCHER_NOT_USABLE: {
    status: 409,
    code: 3010,
    msg: '兑换券不可用',
    tip: '这张券不能用',
    solution: '请核对券的状态',
    when: 'the voucher is used, expired or cancelled; details: {status}'
  },
  SELF_LIMIT: {
    status: 409,
    code: 3012,
    msg: '已达到您为自己设定的抽奖限制',
    tip: '已达自设限制',
    solution: '可在设置中查看，放宽将在24小时后生效',
    when: "past the diner's own brake; details: {limit, used, pause_until}"
  },
  LOTTERY_CLOSED: {
    status: 409,
    code: 3011,
    msg: '抽奖活动已关闭',
    tip: '活动已关闭',
    solution: '请关注下次活动',
    when: 'the wheel is switched off'
  },
  PHOTO_REQUIRED: {
    status: 400,
    code: 1001,
    msg: '请选择要上传的图片',
    tip: '还没有选择图片',
    solution: '请拍照或选择一张消费小票',
    when: 'there is no file in the form'
  },
  AMOUNT_INVALID: {
    status: 400,
    code: 1002,
    msg: '请输入有效的消费金额',
    tip: '金额不正确',
    solution: '请输入0.01到10000之间的金额，最多两位小数',
    when: 'the amount is none from 0.01 to 10000 with at most two decimals'
  },
  AMOUNT_TOO_LARGE: {
    status: 400,
    code: 1003,
    msg: '消费金额不能超过10000元',
    tip: '金额太大了',
    solution: '请核对小票金额',
    when: 'the amount is over 10000'
  },
  PHOTO_TOO_LARGE: {
    status: 413,
    code: 1004,
    msg: '图片文件过大，请选择小于5MB的图片',
    tip: '图片太大了',
    solution: '请压缩图片后重试',
    when: 'the photograph is over 5 MB'
  },
  PHOTO_STORE_FAILED: {
    status: 502,
    code: 1005,
    msg: '图片上传失败，请重试',
    tip: '图片没有保存成功',
    solution: '请稍后重试',
    when: 'the storage failed; nothing was kept'
  },
  PHOTO_UNREADABLE: {
    status: 400,
    code: 1006,
    msg: '无法识别的图片',
    tip: '图片打不开',
    solution: '请上传 JPEG、PNG、GIF 或 WebP 图片',
    when: 'the file is no JPEG, PNG, GIF, WebP or HEIC that decodes, or is over 40 megapixels (a JPEG: 200)'
  },
  AVATAR_REQUIRED: {
    status: 400,
    code: 1001,
    msg: '请选择头像图片',
    tip: '还没有选择图片',
    solution: '请选择一张图片作为头像',
    when: 'there is no file in the form'
  },
  AVATAR_TOO_LARGE: {
    status: 413,
    code: 1004,
    msg: '头像图片过大，请选择小于5MB的图片',
    tip: '图片太大了',
    solution: '请压缩图片后重试',
    when: 'the picture is over 5 MB'
  },
  AVATAR_UNREADABLE: {
    status: 400,
    code: 1006,
    msg: '无法识别的头像图片',
    tip: '图片打不开',
    solution: '请上传 JPEG、PNG、GIF 或 WebP 图片',
    when: 'the file is no JPEG, PNG, GIF, WebP or HEIC that decodes, or is over 40 megapixels (a JPEG: 200)'
  },
  IMAGE_REQUIRED: {
    status: 400,
    code: 1001,
    msg: '请选择商品图片',
    tip: '还没有选择图片',
    solution: '请选择一张商品图片',
    when: 'there is no file in the form'
  },
  IMAGE_TOO_LARGE: {
    status: 413,
    code: 1004,
    msg: '商品图片过大，请选择小于5MB的图片',
    tip: '图片太大了',
    solution: '请压缩图片后重试',
    when: 'the picture is over 5 MB'
  },
  IMAGE_UNREADABLE: {
    status: 400,
    code: 1006,
    msg: '无法识别的商品图片',
    tip: '图片打不开',
    solution: '请上传 JPEG、PNG、GIF 或 WebP 图片',
    when: 'the file is no JPEG, PNG, GIF, WebP or HEIC that decodes, or is over 40 megapixels (a JPEG: 200)'
  },
  MERCHANT_REQUIRED: {
    status: 403,
    code: 3001,
    msg: '需要商家权限才能访问',
    tip: '没有商家权限',
    solution: '请申请成为商家',
    when: 'the account is no merchant'
  },
  ALREADY_MERCHANT: {
    status: 409,
    code: 3002,
    msg: '您已经具备商家权限',
    tip: '您已是商家',
    solution: '无需重复申请',
    when: 'the account is a merchant already'
  },
  APPLICATION_INCOMPLETE: {
    status: 400,
    code: 3003,
    msg: '商家申请信息不完整',
    tip: '申请信息不完整',
    solution: '请按 details 中的提示补全',
    when: 'the application lacks a field, or has a wrong one; details: [{field, message}]'
  },
  STATE_CONFLICT: {
    status: 409,
    code: 3006,
    msg: '当前状态不允许此操作',
    tip: '状态已变化',
    solution: '请刷新后重试',
    when: 'this state does not allow that step; details: {status}'
  },
  APPLICATION_PENDING: {
    status: 409,
    code: 3009,
    msg: '您的申请正在审核中',
    tip: '申请审核中',
    solution: '请耐心等待审核结果',
    when: 'an application is pending'
  },
  REVIEW_PARAMS: {
    status: 400,
    code: 4001,
    msg: '参数错误',
    tip: '审核参数有误',
    solution: '请按 details 中的提示修改后重试',
    when: 'the review does not fit its schema; details: [{field, message}]'
  },
  ACTUAL_AMOUNT_REQUIRED: {
    status: 400,
    code: 4002,
    msg: '审核通过时必须确认实际消费金额',
    tip: '请填写实际金额',
    solution: '请填写小票上的实际消费金额',
    when: 'an approval without actual_amount'
  },
  REVIEW_NOT_FOUND: {
    status: 404,
    code: 4003,
    msg: '审核记录不存在',
    tip: '找不到该记录',
    solution: '请刷新列表',
    when: 'there is no such upload, or it is not yours'
  },
  REVIEW_ALREADY_DONE: {
    status: 409,
    code: 4004,
    msg: '该记录已经审核过了',
    tip: '已审核过',
    solution: '请刷新列表',
    when: 'the upload is in a state that does not allow it; details: {status}'
  },
  REVIEW_OWN_UPLOAD: {
    status: 403,
    code: 4005,
    msg: '不能审核自己的上传',
    tip: '不能审核自己的小票',
    solution: '请由其他商家审核',
    when: 'the reviewer is the uploader'
  },
  APPEAL_OWN_DECISION: {
    status: 403,
    code: 4008,
    msg: '不能处理针对自己审核结果的申诉',
    tip: '请由其他商家处理',
    solution: '请由其他商家或管理员处理该申诉',
    when: 'the appeal is against a decision of one’s own; an admin may all the same'
  },
  APPEAL_NOT_OPEN: {
    status: 409,
    code: 4009,
    msg: '当前无法申诉或申诉已处理',
    tip: '申诉不可用',
    solution: '请刷新后查看小票与申诉的状态',
    when:
      'the receipt is not rejected or approved for less, was decided over 7 days ago, or was appealed before; ' +
      'or the appeal is decided; details: {status, appeal, until}'
  },
  APPEAL_NOT_FOUND: {
    status: 404,
    code: 4010,
    msg: '申诉不存在',
    tip: '找不到该申诉',
    solution: '请刷新列表',
    when: 'there is no such appeal'
  },
  USER_NOT_FOUND: {
    status: 404,
    code: 4001,
    msg: '用户不存在',
    tip: '找不到该用户',
    solution: '请核对用户',
    when: 'there is no such user'
  },
  PRODUCT_NOT_FOUND: {
    status: 404,
    code: 4002,
    msg: '商品不存在',
    tip: '找不到该商品',
    solution: '请刷新商品列表',
    when: 'there is no such product'
  },
  ORDER_NOT_FOUND: {
    status: 404,
    code: 4003,
    msg: '订单不存在',
    tip: '找不到该订单',
    solution: '请刷新订单列表',
    when: "there is no such order, or it is somebody else's"
  },
  VOUCHER_NOT_FOUND: {
    status: 404,
    code: 4006,
    msg: '兑换券不存在',
    tip: '找不到该券',
    solution: '请核对券码',
    when: 'there is no voucher with this code'
  },
  APPLICATION_NOT_FOUND: {
    status: 404,
    code: 4007,
    msg: '商家申请不存在',
    tip: '找不到该申请',
    solution: '请刷新列表',
    when: 'there is no such application'
  },
  NOT_FOUND: {
    status: 404,
    code: 4000,
    msg: '接口不存在',
    tip: '请求的地址不存在',
    solution: '请检查请求路径',
    when: 'there is no such route'
  },
  INTERNAL: {
    status: 500,
    code: 5000,
    msg: '服务器内部错误',
    tip: '服务开小差了',
    solution: '请稍后重试',
    when: 'something unforeseen'
  },
  RATE_LIMITED: {
    status: 429,
    code: 5001,
    msg: '请求过于频繁，请稍后重试',
    tip: '操作太快了',
    solution: '请稍等片刻再试',
    when: 'a rate limit; Retry-After says for how many seconds'
  },
  STORAGE_UNAVAILABLE: {
    status: 502,
    code: 5003,
    msg: '文件存储失败',
    tip: '图片没有保存成功',
    solution: '请稍后重试',
    when: 'the object storage failed; nothing was kept'
  },
  DATABASE_UNAVAILABLE: {
    status: 503,
    code: 5002,
    msg: '数据库连接失败',
    tip: '服务暂不可用',
    solution: '请稍后重试',
    when: 'no connection to the database, or none free in time'
  },
  OVERLOADED: {
    status: 503,
    code: 5004,
    msg: '服务繁忙',
    tip: '人太多啦',
    solution: '请稍后重试',
    when: 'the server sheds load, or has its full number of sockets; Retry-After says for how many seconds'
  },
  WECHAT_NOT_CONFIGURED: {
    status: 503,
    code: 5005,
    msg: '微信登录未开通',
    tip: '暂不支持微信登录',
    solution: '请使用手机号验证码登录',
    when: 'WECHAT_APPID and WECHAT_SECRET are not set'
  },
  WECHAT_UNAVAILABLE: {
    status: 502,
    code: 5006,
    msg: '微信服务暂不可用',
    tip: '微信登录暂不可用',
    solution: '请稍后重试，或使用手机号验证码登录',
    when: 'WeChat could not be reached, was busy, or answered with an error of its own'
  },
  SMS_UNAVAILABLE: {
    status: 502,
    code: 5007,
    msg: '短信发送失败',
    tip: '短信没有发出',
    solution: '请稍后重新获取验证码',
    when: 'the SMS gateway failed'
  }
} as const satisfies Record<string, RefusalKind>

export type ErrorName = keyof typeof catalogue
