-- Abort forgets the message and keeps the connection; large bodies arrive in pieces.
local function check(ok, what) if not ok then error(what) end end

local conn = mt.connect(socket)
check(conn ~= nil, "cannot connect")
check(mt.conninfo(conn, "localhost", "127.0.0.1") == nil, "conninfo")
check(mt.helo(conn, "x") == nil, "helo")
check(mt.mailfrom(conn, "<a@example.com>") == nil, "mailfrom")
check(mt.rcptto(conn, "<u@example.jp>") == nil, "rcptto")
check(mt.header(conn, "Subject", "x") == nil, "header")
check(mt.eoh(conn) == nil, "eoh")
check(mt.bodystring(conn, "this is spam\r\n") == nil, "body")
check(mt.abort(conn) == nil, "abort")

check(mt.mailfrom(conn, "<b@example.com>") == nil, "mailfrom after abort")
check(mt.rcptto(conn, "<u@example.jp>") == nil, "rcptto after abort")
check(mt.header(conn, "Subject", "y") == nil, "header after abort")
check(mt.eoh(conn) == nil, "eoh after abort")
check(mt.bodyrandom(conn, 300000) == nil, "large body")
check(mt.eom(conn) == nil, "eom after abort")
check(mt.getreply(conn) == SMFIR_ACCEPT, "what was aborted is not judged")
mt.disconnect(conn)
