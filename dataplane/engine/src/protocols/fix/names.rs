//! Names of message types and field values (FIX 4.2 to 5.0 SP2).

/// Name of a message type.
pub(super) const fn message_type(code: &[u8]) -> Option<&'static str> {
    match code {
        [one] => one_letter(*one),
        [first, second] => two_letters([*first, *second]),
        _ => None,
    }
}

const fn one_letter(code: u8) -> Option<&'static str> {
    Some(match code {
        b'0' => "Heartbeat",
        b'1' => "TestRequest",
        b'2' => "ResendRequest",
        b'3' => "Reject",
        b'4' => "SequenceReset",
        b'5' => "Logout",
        b'6' => "IOI",
        b'7' => "Advertisement",
        b'8' => "ExecutionReport",
        b'9' => "OrderCancelReject",
        b'A' => "Logon",
        b'B' => "News",
        b'C' => "Email",
        b'D' => "NewOrderSingle",
        b'E' => "NewOrderList",
        b'F' => "OrderCancelRequest",
        b'G' => "OrderCancelReplaceRequest",
        b'H' => "OrderStatusRequest",
        b'J' => "AllocationInstruction",
        b'K' => "ListCancelRequest",
        b'L' => "ListExecute",
        b'M' => "ListStatusRequest",
        b'N' => "ListStatus",
        b'P' => "AllocationInstructionAck",
        b'Q' => "DontKnowTrade",
        b'R' => "QuoteRequest",
        b'S' => "Quote",
        b'T' => "SettlementInstructions",
        b'V' => "MarketDataRequest",
        b'W' => "MarketDataSnapshotFullRefresh",
        b'X' => "MarketDataIncrementalRefresh",
        b'Y' => "MarketDataRequestReject",
        b'Z' => "QuoteCancel",
        _ => return lower_letter(code),
    })
}

const fn lower_letter(code: u8) -> Option<&'static str> {
    Some(match code {
        b'a' => "QuoteStatusRequest",
        b'b' => "MassQuoteAcknowledgement",
        b'c' => "SecurityDefinitionRequest",
        b'd' => "SecurityDefinition",
        b'e' => "SecurityStatusRequest",
        b'f' => "SecurityStatus",
        b'g' => "TradingSessionStatusRequest",
        b'h' => "TradingSessionStatus",
        b'i' => "MassQuote",
        b'j' => "BusinessMessageReject",
        b'k' => "BidRequest",
        b'l' => "BidResponse",
        b'm' => "ListStrikePrice",
        b'n' => "XMLnonFIX",
        b'o' => "RegistrationInstructions",
        b'p' => "RegistrationInstructionsResponse",
        b'q' => "OrderMassCancelRequest",
        b'r' => "OrderMassCancelReport",
        b's' => "NewOrderCross",
        b't' => "CrossOrderCancelReplaceRequest",
        b'u' => "CrossOrderCancelRequest",
        b'v' => "SecurityTypeRequest",
        b'w' => "SecurityTypes",
        b'x' => "SecurityListRequest",
        b'y' => "SecurityList",
        b'z' => "DerivativeSecurityListRequest",
        _ => return None,
    })
}

const fn two_letters(code: [u8; 2]) -> Option<&'static str> {
    Some(match &code {
        b"AA" => "DerivativeSecurityList",
        b"AB" => "NewOrderMultileg",
        b"AC" => "MultilegOrderCancelReplace",
        b"AD" => "TradeCaptureReportRequest",
        b"AE" => "TradeCaptureReport",
        b"AF" => "OrderMassStatusRequest",
        b"AG" => "QuoteRequestReject",
        b"AH" => "RFQRequest",
        b"AI" => "QuoteStatusReport",
        b"AJ" => "QuoteResponse",
        b"AK" => "Confirmation",
        b"AL" => "PositionMaintenanceRequest",
        b"AM" => "PositionMaintenanceReport",
        b"AN" => "RequestForPositions",
        b"AO" => "RequestForPositionsAck",
        b"AP" => "PositionReport",
        b"AQ" => "TradeCaptureReportRequestAck",
        b"AR" => "TradeCaptureReportAck",
        b"AS" => "AllocationReport",
        b"AT" => "AllocationReportAck",
        b"AU" => "ConfirmationAck",
        b"AV" => "SettlementInstructionRequest",
        b"AW" => "AssignmentReport",
        b"AX" => "CollateralRequest",
        b"AY" => "CollateralAssignment",
        b"AZ" => "CollateralResponse",
        b"BA" => "CollateralReport",
        b"BB" => "CollateralInquiry",
        b"BC" => "NetworkCounterpartySystemStatusRequest",
        b"BD" => "NetworkCounterpartySystemStatusResponse",
        b"BE" => "UserRequest",
        b"BF" => "UserResponse",
        b"BG" => "CollateralInquiryAck",
        b"BH" => "ConfirmationRequest",
        b"BW" => "ApplicationMessageRequest",
        b"BX" => "ApplicationMessageRequestAck",
        b"BY" => "ApplicationMessageReport",
        b"BZ" => "OrderMassActionReport",
        b"CA" => "OrderMassActionRequest",
        b"CB" => "UserNotification",
        _ => return None,
    })
}

/// Which way an order goes (field 54).
pub(super) const fn side(code: &[u8]) -> Option<&'static str> {
    Some(match code {
        b"1" => "buy",
        b"2" => "sell",
        b"3" => "buy_minus",
        b"4" => "sell_plus",
        b"5" => "sell_short",
        b"6" => "sell_short_exempt",
        b"7" => "undisclosed",
        b"8" => "cross",
        b"9" => "cross_short",
        _ => return None,
    })
}

/// State of an order (field 39) or kind of an execution (field 150).
pub(super) const fn order_status(code: &[u8]) -> Option<&'static str> {
    Some(match code {
        b"0" => "new",
        b"1" => "partially_filled",
        b"2" => "filled",
        b"3" => "done_for_day",
        b"4" => "canceled",
        b"5" => "replaced",
        b"6" => "pending_cancel",
        b"7" => "stopped",
        b"8" => "rejected",
        b"9" => "suspended",
        b"A" => "pending_new",
        b"B" => "calculated",
        b"C" => "expired",
        b"D" => "accepted_for_bidding",
        b"E" => "pending_replace",
        b"F" => "trade",
        b"H" => "trade_cancel",
        b"I" => "order_status",
        _ => return None,
    })
}

/// How an order is priced (field 40).
pub(super) const fn order_type(code: &[u8]) -> Option<&'static str> {
    Some(match code {
        b"1" => "market",
        b"2" => "limit",
        b"3" => "stop",
        b"4" => "stop_limit",
        b"5" => "market_on_close",
        b"P" => "pegged",
        _ => return None,
    })
}

/// Fields that say how many bytes the next one has, which may then contain the separator (FIX 4.4, volume 1, data).
pub(super) const fn is_length(tag: u32) -> bool {
    matches!(
        tag,
        90 | 93
            | 95
            | 212
            | 348
            | 350
            | 352
            | 354
            | 356
            | 358
            | 360
            | 362
            | 364
            | 445
            | 618
            | 621
            | 1184
            | 1277
            | 1280
            | 1282
            | 1397
            | 1401
            | 1403
    )
}
